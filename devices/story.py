"""Pure: a device's life as entries in order of time, told by several sources, a page at a time.

A source tells at most `MOST` entries of a span, the newest first, and how far back it came. A page
goes back as far as all its sources came, so nothing between two entries is left out, and the next
page begins there. No source looks at more than a page needs, however long the life.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

MOST = 40
INSTANT = timedelta(microseconds=1)


class Link(NamedTuple):
    """Where an entry leads: an address and its words."""

    address: str
    words: str


class Entry(NamedTuple):
    """What happened, when, and why; `links`: to what it speaks of."""

    time: datetime
    title: str
    why: str = ""
    links: tuple[Link, ...] = ()


class Span(NamedTuple):
    """Entries from `first` on and before `last` are asked for; None: without end."""

    first: datetime | None
    last: datetime | None

    def holds(self, time: datetime) -> bool:
        return (self.first is None or self.first <= time) and (
            self.last is None or time < self.last
        )


class Told(NamedTuple):
    """A source's entries, and the instant down to which there are no others; None: the span's."""

    entries: Sequence[Entry]
    reached: datetime | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """A kind of entries: its name and label, and who tells them: `tell(request, device, span)`.

    `may`: the permission that a reader needs; empty: none beside that of the page.
    """

    kind: str
    label: str
    tell: Callable[[Any, Any, Span], Told]
    may: str = ""


class Line(NamedTuple):
    """An entry with its kind."""

    kind: str
    entry: Entry


class Page(NamedTuple):
    """Lines, the newest first; `older`: where the next page begins, None at the end."""

    lines: list[Line]
    older: datetime | None


def told(entries: Iterable[Entry], span: Span, most: int = MOST) -> Told:
    """The newest of some entries of one kind within a span."""
    found = sorted((e for e in entries if span.holds(e.time)), key=lambda e: e.time, reverse=True)
    if len(found) <= most:
        return Told(found)
    reached = found[most].time
    kept = [entry for entry in found[:most] if entry.time > reached]
    # More at one instant than a page holds: as many as it does.
    return Told(kept, reached + INSTANT) if kept else Told(found[:most], reached)


def page(kinds: Iterable[tuple[str, Told]]) -> Page:
    """What the sources told, in order of time."""
    kinds = list(kinds)
    reached = max((one.reached for _, one in kinds if one.reached is not None), default=None)
    lines = [
        Line(kind, entry)
        for kind, one in kinds
        for entry in one.entries
        if reached is None or entry.time >= reached
    ]
    lines.sort(key=lambda line: line.entry.time, reverse=True)
    return Page(lines, reached)
