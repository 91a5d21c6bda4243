"""Pure: register reads as the store keeps them, as texts that become values when asked for.

Reads that say the same of their registers, but for values and peak times, have texts that are alike
but for these: `Alikes`. Such texts are taken apart by what they have in common, without a value
ever becoming an object.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from devices.readings import RegisterRead, RegisterValue

PATTERNS = 32  # kinds of texts that are told apart; more are taken value by value


class Head(msgspec.Struct, omit_defaults=True):
    """What a read says besides its values. The id comes last: see `StoredRead.parted`."""

    season: int | None = None
    reset_count: int | None = None
    reset_time: datetime | None = None
    status_word: str = ""
    source: str = ""
    received: datetime | None = None
    read_id: str = ""


encode = msgspec.json.Encoder(decimal_format="string").encode
heads_decode = msgspec.json.Decoder(Head).decode
values_decode = msgspec.json.Decoder(list[RegisterValue]).decode
HEAD_FIELDS = Head.__struct_fields__
_ID = '"read_id":"'


class StoredRead(NamedTuple):
    """A version of a read: head and values as JSON."""

    read_type: str
    time: datetime
    revision: int
    head: str
    values: str

    def read(self) -> RegisterRead:
        """The read itself."""
        return self._made(tuple(values_decode(self.values)))

    def bare(self) -> RegisterRead:
        """The read without its values."""
        return self._made(())

    def _made(self, values: tuple[RegisterValue, ...]) -> RegisterRead:
        head = heads_decode(self.head)
        return RegisterRead(
            time=self.time,
            read_type=self.read_type,
            values=values,
            revision=self.revision,
            **{name: getattr(head, name) for name in HEAD_FIELDS},
        )

    def has_id(self) -> bool:
        """Whether it states the read's id."""
        return _ID in self.head

    def head_key(self) -> tuple[object, ...]:
        """What the head is known by, but for the read's id."""
        return (self.read_type, self.time, self.revision, self.parted()[0])

    def parted(self) -> tuple[str, str]:
        """The head without the read's id, and the rest: two reads of one first half differ in
        their ids at most."""
        head, _, rest = self.head.partition(_ID)
        return head, rest


class StoredReads(Mapping[int, list[RegisterRead]]):
    """Reads by some number, made when they are asked for; `texts` are what they are made of."""

    def __init__(self, texts: Mapping[int, list[StoredRead]]) -> None:
        self.texts = texts
        self._made: dict[int, list[RegisterRead]] = {}

    def __getitem__(self, number: int) -> list[RegisterRead]:
        made = self._made.get(number)
        if made is None:
            made = self._made[number] = [stored.read() for stored in self.texts[number]]
        return made

    def __contains__(self, number: object) -> bool:
        return number in self.texts

    def __iter__(self) -> Iterator[int]:
        return iter(self.texts)

    def __len__(self) -> int:
        return len(self.texts)


def reads_renumbered(
    reads: Mapping[int, Sequence[RegisterRead]], numbers: Mapping[int, int]
) -> Mapping[int, Sequence[RegisterRead]]:
    """Some reads under other numbers: `numbers` by new number, those that have no reads aside."""
    if isinstance(reads, StoredReads):
        return StoredReads(
            {new: reads.texts[old] for new, old in numbers.items() if old in reads.texts}
        )
    return {new: reads[old] for new, old in numbers.items() if old in reads}


# --- texts that are alike -------------------------------------------------------------------------

_SLOT = re.compile(r'"(value|peak_time)":"([^"\\]*)"')


class Slot(NamedTuple):
    """What differs from text to text: a value, or a peak time, of the value at a place; `before`:
    what stands between it and the slot before."""

    is_value: bool
    place: int
    before: bytes


class Alike:
    """What texts have in common. `values`: those of the first; `after`: what follows the last slot;
    `amounts` and `peaks`: the places that have a value, and a peak time."""

    def __init__(self, values: Sequence[RegisterValue], parts: Sequence[str]) -> None:
        self.values = tuple(values)
        self.slots: list[Slot] = []
        before = "["
        for place, part in enumerate(parts):
            last = 0
            for match in _SLOT.finditer(part):
                before += part[last : match.start(2)]
                self.slots.append(Slot(match[1] == "value", place, before.encode()))
                before, last = "", match.end(2)
            before += part[last:] + ("," if place < len(parts) - 1 else "]")
        self.after = before.encode()
        self.amounts = {slot.place for slot in self.slots if slot.is_value}
        self.peaks = {slot.place for slot in self.slots if not slot.is_value}


class Alikes:
    """The kinds of texts met so far."""

    def __init__(self) -> None:
        self.kinds: list[Alike] = []

    def learn(self, text: str) -> Alike | None:
        """Make a kind of a text, if it is written as the store writes and not one too many."""
        if len(self.kinds) >= PATTERNS:
            return None
        values = values_decode(text)
        parts = [encode(value).decode() for value in values]
        if not values or text != f"[{','.join(parts)}]":
            return None
        self.kinds.append(Alike(values, parts))
        return self.kinds[-1]
