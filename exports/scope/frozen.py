"""Pure: a part of a run as bytes, to be read again on any host at any time to the same values.

Columnar: a text column is its texts one a line, a column of integers their differences in the
narrowest width; all of it one msgpack map, deflated, behind a byte that tells the version.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

import msgspec
import numpy as np

from devices import blocks
from devices.readings import Channel, Ints
from devices.rosters import Roster

VERSION = 2
LEVEL = 1  # most columns are constant or rise by one; more effort gains little
LIST = "\x1f"  # between the groups of a device: no identifier holds it
_NONE = np.zeros(0, np.int64)


class Read(NamedTuple):
    """A register read that may have changed: whose, which, when (µs since 1970), since when, and
    up to when its changes have been sent."""

    device: int
    read_type: str
    time: int
    since: int
    sent: int = 0

    @property
    def when(self) -> datetime:
        seconds, fraction = divmod(self.time, 1_000_000)
        return datetime.fromtimestamp(seconds, UTC).replace(microsecond=fraction)


@dataclass(frozen=True, slots=True)
class Part:
    """Stays and channels of a range of devices, in the file's order.

    Shapes: s stays, each a stretch (start, end] of a device: `infos` as columns of DeviceInfo,
    groups as one text; `device` primary keys, `start`, `end` epoch seconds, (s,). c channels:
    `channel` primary keys, `stay` and `kind` places in the stays and kinds, `opened`, `closed`
    epoch seconds, (c,). k changed channel-days: `day_channel`, `day`, `day_since` and
    `day_sent`, (k,). `kinds`: what a channel measures, as `kind_text` writes it. `events`:
    primary keys.
    """

    infos: tuple[Sequence[str], ...]
    device: Ints
    start: Ints
    end: Ints
    kinds: tuple[str, ...] = ()
    channel: Ints = field(default_factory=lambda: _NONE)
    stay: Ints = field(default_factory=lambda: _NONE)
    kind: Ints = field(default_factory=lambda: _NONE)
    opened: Ints = field(default_factory=lambda: _NONE)
    closed: Ints = field(default_factory=lambda: _NONE)
    day_channel: Ints = field(default_factory=lambda: _NONE)
    day: Ints = field(default_factory=lambda: _NONE)
    day_since: Ints = field(default_factory=lambda: _NONE)
    day_sent: Ints = field(default_factory=lambda: _NONE)
    events: Ints = field(default_factory=lambda: _NONE)
    reads: tuple[Read, ...] = ()

    def devices(self) -> Roster:
        """Who the stays are of."""
        *texts, groups, cycles = self.infos
        lists = {text: tuple(text.split(LIST)) if text else () for text in set(groups)}
        return Roster((*texts, list(map(lists.__getitem__, groups)), cycles))

    def channels(self) -> list[Channel]:
        """The channels of the kinds."""
        return [kind_channel(kind) for kind in self.kinds]


KIND = (
    *("number", "unit", "flow", "seconds", "value_type", "resolution", "multiplier"),
    *("multiplier_applied", "grid_offset", "zone"),
)


def kind_text(what: Sequence[object]) -> str:
    """What a channel measures, as one text: the columns KIND of the inventory, in their order."""
    return "|".join("" if value is None else str(value) for value in what)


def kind_channel(kind: str) -> Channel:
    """The channel of a kind."""
    what = kind.split("|")
    return Channel(
        *(int(what[0]), what[1], what[2], int(what[3]), what[4], Decimal(what[5])),
        Decimal(what[6]) if what[6] else None,
        what[7] in ("true", "1", "True"),
        int(what[8]),
        what[9],
    )


class _Column(msgspec.Struct, array_like=True):
    """Texts, one a line; `every`: the one text of all so many."""

    text: str
    every: int


class _Packed(msgspec.Struct):
    infos: list[_Column]
    kinds: list[str]
    reads: list[Read]
    columns: dict[str, bytes]


_INTS = tuple(f.name for f in fields(Part) if f.name not in ("infos", "kinds", "reads"))
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Packed).decode


def pack(part: Part) -> bytes:
    """The bytes of a part; equal parts give equal bytes."""
    packed = _Packed(
        [_column(texts) for texts in part.infos],
        list(part.kinds),
        list(part.reads),
        {name: _steps(getattr(part, name)) for name in _INTS},
    )
    return bytes((VERSION,)) + zlib.compress(_encode(packed), LEVEL)


def unpack(data: bytes) -> Part:
    """The part of some bytes; ValueError when they are none of ours."""
    if data[:1] not in (b"\1", bytes((VERSION,))):
        raise ValueError(f"a frozen part of version {data[:1].hex()}, not {VERSION:02x}")
    packed = _decode(zlib.decompress(memoryview(data)[1:]))
    columns = {name: _sums(column) for name, column in packed.columns.items()}
    columns.setdefault("day_sent", columns["day_since"])  # version 1 knew no corrections
    infos = tuple(map(_texts, packed.infos))
    return Part(infos=infos, kinds=tuple(packed.kinds), reads=tuple(packed.reads), **columns)


def _column(texts: Sequence[str]) -> _Column:
    if texts and texts.count(texts[0]) == len(texts):
        return _Column(texts[0], len(texts))
    joined = "\n".join(texts)
    if joined.count("\n") != max(0, len(texts) - 1):
        raise ValueError("an identifier holds a line feed")
    return _Column(joined, 0)


def _texts(column: _Column) -> list[str]:
    if column.every:
        return [column.text] * column.every
    return column.text.split("\n") if column.text else []


def _steps(numbers: Ints) -> bytes:
    return blocks.pack_entry(np.diff(numbers, prepend=0))


def _sums(packed: bytes) -> Ints:
    return np.cumsum(blocks.unpack_entry(packed))


def slices(part: Part, ends: Sequence[int]) -> Iterator[Part]:
    """A part cut after these numbers of stays, the last of them all."""
    if len(ends) == 1:
        yield part
        return
    low = 0
    for high in ends:
        mine = (part.stay >= low) & (part.stay < high)
        owners = np.unique(part.device[low:high])
        days = np.isin(part.day_channel, part.channel[mine])
        whose = set(owners.tolist())
        yield Part(
            infos=tuple(texts[low:high] for texts in part.infos),
            device=part.device[low:high],
            start=part.start[low:high],
            end=part.end[low:high],
            kinds=part.kinds,
            channel=part.channel[mine],
            stay=part.stay[mine] - low,
            kind=part.kind[mine],
            opened=part.opened[mine],
            closed=part.closed[mine],
            day_channel=part.day_channel[days],
            day=part.day[days],
            day_since=part.day_since[days],
            day_sent=part.day_sent[days],
            events=part.events,
            reads=tuple(read for read in part.reads if read.device in whose),
        )
        low = high
