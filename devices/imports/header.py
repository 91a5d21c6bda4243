"""The header line: which column is which, what is missing, and what may be mistyped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from devices.imports.codes import Issue
from devices.imports.columns import ANSWER_COLUMNS, Column
from devices.imports.mend import INVISIBLE, mend
from devices.imports.text import FileRefused

_IGNORED = {ord(char): None for char in f" \t\r\n_-{INVISIBLE}"}
_ANSWERS = {name.lower() for name in ANSWER_COLUMNS}
SHORT = 5  # letters; a name up to so long is known again with one edit only


@dataclass(frozen=True, slots=True)
class Header:
    """What the header says. `columns`: by place, None where a column is ignored.

    `issues` are of the whole file; a refusal is among them when the file cannot be taken.
    `counted`: places whose cells make a record one that is not empty.
    """

    names: tuple[str, ...]
    columns: tuple[Column | None, ...]
    issues: tuple[Issue, ...]
    counted: tuple[int, ...]

    @property
    def places(self) -> dict[str, int]:
        """Field → place."""
        return {column.field: place for place, column in enumerate(self.columns) if column}


def simplified(name: str) -> str:
    """A name as it is compared: without case, blanks, underscores, hyphens, invisible ones."""
    return name.translate(_IGNORED).lower()


def header_read(cells: Sequence[str], columns: Sequence[Column]) -> Header:
    """The header of a file. FileRefused when there is none."""
    names = [mend(cell)[0] for cell in cells]
    while names and not names[-1]:
        names.pop()
    if not names:
        raise FileRefused("empty")
    known = {simplified(name): c for c in columns for name in (c.name, *c.also)}
    spelled = {simplified(name): name for c in columns for name in (c.name, *c.also)}
    found: list[Column | None] = []
    issues: list[Issue] = []
    counted = []
    for place, name in enumerate(names):
        plain = simplified(name)
        column = known.get(plain)
        answer = plain in _ANSWERS
        if column is not None and column in found:
            issues.append(Issue("twice", place, {"name": column.name}))
            column = None
        elif column is None and not answer:
            issues.append(_unknown(place, name, plain, spelled))
        found.append(column)
        if not answer:
            counted.append(place)
    issues.extend(_missing(found, columns))
    return Header(tuple(names), tuple(found), tuple(issues), tuple(counted))


def _unknown(place: int, name: str, plain: str, spelled: dict[str, str]) -> Issue:
    near = [
        (edits, word)
        for word in spelled
        if plain and (edits := distance(plain, word)) <= (1 if len(word) <= SHORT else 2)
    ]
    if near:
        known = spelled[min(near, key=lambda pair: pair[0])[1]]
        return Issue("meant", place, {"name": name, "known": known})
    return Issue("ignored", place, {"name": name or str(place + 1)})


def _missing(found: Sequence[Column | None], columns: Sequence[Column]) -> list[Issue]:
    here = {column.name for column in found if column is not None}
    missing = [c.name for c in columns if c.required == "always" and c.name not in here]
    either = [c.name for c in columns if c.required == "one"]
    if either and not here.intersection(either):
        missing.append(either[0])
    order = [column.name for column in columns]
    return [Issue("missing", order.index(name), {"name": name}) for name in missing]


def distance(one: str, other: str, limit: int = 2) -> int:
    """Edits (insert, delete, replace) between two words; anything above `limit` is limit + 1."""
    if abs(len(one) - len(other)) > limit:
        return limit + 1
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, wanted in enumerate(other, 1):
            before, row[j] = (
                row[j],
                min(row[j] + 1, row[j - 1] + 1, before + (letter != wanted)),
            )
        if min(row) > limit:
            return limit + 1
    return min(row[-1], limit + 1)
