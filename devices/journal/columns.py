"""Blocks by the thousand: fetched as columns, unpacked as arrays.

PostgreSQL puts the blobs of all rows end to end itself and sends them as one row; SQLite, in the
same process, hands over rows that are joined here.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from devices import blocks
from devices.counts import Counts, counts_unpack
from devices.journal import sql
from devices.readings import Ints, Masks

PLAIN = ("counts", "status")
NUMBERED = (*PLAIN, "numbers")
VERSIONED = (*NUMBERED, "revisions")
_FIXED = [("channel", ">i8"), ("day", ">i4"), ("folded_to", ">i8")]
_SENT = "int8send(t.channel_id) || int4send(t.day - DATE '1970-01-01') || int8send(t.folded_to)"


class Columns(NamedTuple):
    """k blocks in no order: `channel`, `day`, `folded_to` (k,); by name of a packed column its
    bytes, end to end, and how many are each block's (k,)."""

    channel: Ints
    day: Ints
    folded_to: Ints
    blobs: dict[str, bytes]
    sizes: dict[str, Ints]

    def pick(self, which: npt.NDArray[np.bool_]) -> "Columns":
        """Some of the blocks, (k,) marked."""
        blobs = {
            name: np.frombuffer(blob, np.uint8)[np.repeat(which, self.sizes[name])].tobytes()
            for name, blob in self.blobs.items()
        }
        sizes = {name: size[which] for name, size in self.sizes.items()}
        fixed = (self.channel[which], self.day[which], self.folded_to[which])
        return Columns(*fixed, blobs, sizes)

    def counts(self, slots: int) -> Counts:
        """Counts (k, slots): int32, or int64 when any block needs it."""
        return counts_unpack(self.blobs["counts"], self.sizes["counts"], slots)

    def masks(self, name: str, slots: int) -> tuple[npt.NDArray[np.bool_], Masks]:
        """Which blocks have masks of this name (k,), and theirs; those of the rest are all 0."""
        return self.sizes[name] > 0, np.frombuffer(self.blobs[name], "<u2").reshape(-1, slots)

    def numbers(self, slots: int) -> Ints:
        """Winning batch numbers (k, slots); what is packed alike is unpacked once."""
        packed = self._each("numbers")
        places = {one: place for place, one in enumerate(dict.fromkeys(packed))}
        table = np.empty((len(places), slots), np.int64)
        for one, place in places.items():
            table[place] = blocks.unpack_numbers(one, slots)
        return table[list(map(places.__getitem__, packed))]

    def _each(self, name: str) -> list[bytes]:
        packed, ends = self.blobs[name], np.cumsum(self.sizes[name]).tolist()
        return [packed[a:b] for a, b in zip([0, *ends], ends, strict=False)]


def columns_fetch(condition: str, params: Sequence[Any], names: Sequence[str]) -> Columns:
    """The blocks `t` that meet a condition, with these packed columns."""
    if sql.is_postgres():
        return _fetch_joined(condition, params, names)
    found = sql.rows(
        f"SELECT t.channel_id, t.day, t.folded_to, {', '.join(f't.{name}' for name in names)} "
        f"FROM devices_intervalblock t WHERE {condition}",
        params,
    )
    channel, day, folded_to, *blobs = zip(*found, strict=True) if found else [()] * (3 + len(names))
    return Columns(
        np.array(channel, np.int64),
        np.array(list(map(sql.day_back, day)), np.int64),
        np.array(folded_to, np.int64),
        {name: b"".join(blob) for name, blob in zip(names, blobs, strict=True)},
        {
            name: np.fromiter(map(len, blob), np.int64, len(blob))
            for name, blob in zip(names, blobs, strict=True)
        },
    )


def _fetch_joined(condition: str, params: Sequence[Any], names: Sequence[str]) -> Columns:
    """All blocks in one row. An aggregate takes the rows in the order that all others do."""
    sent = " || ".join([_SENT, *(f"int4send(length(t.{name}))" for name in names)])
    joined = ", ".join(f"string_agg(t.{name}, ''::bytea)" for name in names)
    [(fixed, *blobs)] = sql.rows(
        f"SELECT string_agg({sent}, ''::bytea), {joined} "
        f"FROM devices_intervalblock t WHERE {condition}",
        params,
    )
    found = np.frombuffer(fixed or b"", np.dtype([*_FIXED, *((name, ">i4") for name in names)]))
    return Columns(
        *(found[name].astype(np.int64) for name, _ in _FIXED),
        {name: blob or b"" for name, blob in zip(names, blobs, strict=True)},
        {name: found[name].astype(np.int64) for name in names},
    )
