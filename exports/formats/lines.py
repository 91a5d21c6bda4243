"""Lines of one shape as a table of bytes: what they share is copied, the rest is put in columns.

A line is a head of its own, some fixed bytes, so many groups of texts alike, an ending. Each text
has the room of the longest of its kind, filled up with NUL; deleting the NULs gives the lines. No
room is wasted, for deleting a NUL costs more than writing a byte.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from devices.readings import Ints
from exports.formats.fast import Texts

Bytes = npt.NDArray[np.uint8]
SPARSE = 24  # from so many bytes a NUL on it is quicker to look for the NULs
UNITS = ((8, np.uint64), (4, np.uint32), (2, np.uint16), (1, np.uint8))


class Layer(NamedTuple):
    """Texts that differ from group to group, and which of them each group has, (r, n)."""

    texts: Texts
    chosen: npt.NDArray[Any]

    def sizes(self) -> Ints | int:
        """The bytes of each line's texts, (r,); one number where they are all alike."""
        texts, count = self.texts, int(self.chosen.shape[1])
        if int(texts.sizes.min()) == texts.longest:
            return count * texts.longest
        every = texts.sizes.astype(np.uint16).take(self.chosen.reshape(-1))
        starts = np.arange(0, len(every), count)
        total: Ints = np.add.reduceat(every, starts, dtype=np.int64)
        return total


class Shared(NamedTuple):
    """What lines have in common, by their kind (d,): bytes after the head (d, f), texts before the
    layers of each group (d, n), the ending; and the kind of each line, (r,)."""

    fixed: Bytes
    texts: Texts
    chosen: Ints
    ending: bytes
    kinds: Ints


def lines_join(heads: Bytes, shared: Shared, layers: Sequence[Layer], size: int) -> bytearray:
    """The lines, joined: `size` bytes. `heads` (r, h), their texts filled up with NUL."""
    records, before = heads.shape
    count = shared.chosen.shape[1]
    first = shared.texts.longest
    pitch = first + sum(layer.texts.longest for layer in layers)
    unit = next(size for size, _ in UNITS[1:] if pitch % size == 0)
    begin = before + shared.fixed.shape[1]
    begin += -(begin + first) % unit  # the first column stands on a border
    width = begin + count * pitch + len(shared.ending)
    width += -width % unit
    scratch = _scratch(records * width)
    out = np.frombuffer(scratch, np.uint8).reshape(records, width)
    plan = np.zeros((len(shared.fixed), width), np.uint8)
    plan[:, before : before + shared.fixed.shape[1]] = shared.fixed
    groups = plan[:, begin : begin + count * pitch].reshape(len(plan), count, pitch)
    groups[:, :, :first] = bytes_of(shared.texts)[shared.chosen]
    end = begin + count * pitch
    plan[:, end : end + len(shared.ending)] = np.frombuffer(shared.ending, np.uint8)
    plan.take(shared.kinds, axis=0, out=out, mode="clip")
    out[:, :before] = heads
    place = begin + first
    for layer in layers:
        _put(out, layer, place, pitch)
        place += layer.texts.longest
    if (len(scratch) - size) * SPARSE < len(scratch):
        return scratch.replace(b"\0", b"")
    return scratch.translate(None, b"\0")


_own = threading.local()


def _scratch(size: int) -> bytearray:
    """Room to be written over; the thread's last one where it has this size."""
    room: bytearray | None = getattr(_own, "room", None)
    if room is None or len(room) != size:
        room = _own.room = bytearray(size)
    return room


def bytes_of(texts: Texts) -> Bytes:
    """Texts as bytes (size, longest), filled up with NUL."""
    return texts.words.view(np.uint8).reshape(len(texts.words), -1)[:, : texts.longest]


def heads_of(texts: Texts) -> Bytes:
    """Texts with NULs in between as bytes (size, h), without those that all of them end in."""
    cells = texts.words.view(np.uint8).reshape(len(texts.words), -1)
    width = texts.longest
    while cells[:, width:].any():
        width += 1
    return cells[:, :width]


def _put(out: Bytes, layer: Layer, place: int, pitch: int) -> None:
    """Write a layer's texts from `place` on, in the widest pieces that stand on borders."""
    words, longest = layer.texts.words, layer.texts.longest
    records, width = out.shape
    shape = (records, layer.chosen.shape[1])
    for first in range(0, longest, 8):
        taken = words[:, first // 8].take(layer.chosen, mode="clip")
        done = first
        while done < min(longest, first + 8):
            size, kind = _unit(min(longest, first + 8) - done, place + done, pitch, width, done)
            column = np.ndarray(shape, kind, out.data, place + done, (width, pitch))
            column[:] = taken.view(kind).reshape(*shape, -1)[:, :, (done - first) // size]
            done += size


def _unit(left: int, *borders: int) -> tuple[int, type[np.unsignedinteger[Any]]]:
    """The widest piece of at most so many bytes that stands on all borders."""
    return next(
        (size, kind)
        for size, kind in UNITS
        if size <= left and not any(border % size for border in borders)
    )
