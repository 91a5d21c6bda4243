"""The two status words of a cell: declared as tables, used as tables of all 65,536 words."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from devices.readings import ABSENT, CHANGED, Masks, Status
from exports.formats.base import Table

Words = npt.NDArray[np.uint32]


class Bit(NamedTuple):
    """A bit of a status word: its meaning, what sets it, what it is read as."""

    mask: int
    meaning: str
    out: Status
    back: Status


NONE, ODD = Status(0), Status.QUESTIONABLE
# fmt: off
CHANNEL_WORD = (
    #    mask   meaning                 out from              read as
    Bit(0x0001, "updated/retransmitted", NONE,                NONE),  # by mode, see `words_out`
    Bit(0x0002, "added interval",       NONE,                 Status.EDITED),
    Bit(0x0004, "replaced interval",    Status.EDITED,        Status.EDITED),
    Bit(0x0008, "estimated",            Status.ESTIMATED,     Status.ESTIMATED),
    Bit(0x0010, "pulse overflow",       Status.OVERFLOW,      Status.OVERFLOW),
    Bit(0x0020, "data out of limits",   Status.QUESTIONABLE,  ODD),
    Bit(0x0040, "excluded data",        NONE,                 ODD),
    Bit(0x0080, "parity",               NONE,                 ODD),
    Bit(0x0100, "energy type changed",  NONE,                 ODD),
    Bit(0x0200, "alarm",                NONE,                 NONE),
    Bit(0x0400, "harmonic distortion",  NONE,                 NONE),
)
INTERVAL_WORD = (
    Bit(0x0001, "power outage",         Status.POWER_OUTAGE,  Status.POWER_OUTAGE),
    Bit(0x0002, "short interval",       Status.SHORT,         Status.SHORT),
    Bit(0x0004, "long interval",        Status.LONG,          Status.LONG),
    Bit(0x0008, "CRC error",            NONE,                 ODD),
    Bit(0x0010, "RAM checksum",         NONE,                 ODD),
    Bit(0x0020, "ROM checksum",         NONE,                 ODD),
    Bit(0x0040, "data missing",         Status.MISSING,       Status.MISSING),
    Bit(0x0080, "clock error",          NONE,                 Status.TIME_CHANGED | ODD),
    Bit(0x0100, "reset occurred",       Status.RESET,         Status.RESET),
    Bit(0x0200, "watchdog",             NONE,                 ODD),
    Bit(0x0400, "time reset",           Status.TIME_CHANGED,  Status.TIME_CHANGED),
    Bit(0x0800, "test mode",            Status.TEST_MODE,     Status.TEST_MODE),
    Bit(0x1000, "load control",         NONE,                 NONE),
)
# fmt: on
UPDATED = 0x0001
MISSING_WORD = 0x0040
MISSING_CELL = MISSING_WORD << 16  # both words of a slot that never arrived
CHANNEL_BITS = sum(bit.mask for bit in CHANNEL_WORD)
INTERVAL_BITS = sum(bit.mask for bit in INTERVAL_WORD)


def words_of(mask: int, mode: str) -> tuple[int, int]:
    """Channel and interval word of a slot's mask, in a run of this mode."""
    if mask & ABSENT:
        return 0, MISSING_WORD
    interval = sum(bit.mask for bit in INTERVAL_WORD if mask & bit.out)
    if mask & Status.MISSING:
        return 0, interval
    channel = sum(bit.mask for bit in CHANNEL_WORD if mask & bit.out)
    if mode == "RE" or (mode == "CO" and mask & CHANGED):
        channel |= UPDATED
    return channel, interval


@lru_cache(maxsize=8)
def words_out(mode: str) -> Words:
    """Both words of every mask, the interval word in the upper half: little-endian, as written."""
    masks = np.arange(1 << 16)
    channel, interval = np.zeros(1 << 16, np.uint32), np.zeros(1 << 16, np.uint32)
    for word, bits in ((channel, CHANNEL_WORD), (interval, INTERVAL_WORD)):
        for bit in bits:
            word[masks & int(bit.out) != 0] |= np.uint32(bit.mask)
    updated = {"RE": masks >= 0, "CO": masks & CHANGED != 0}.get(mode)
    if updated is not None:
        channel[updated] |= np.uint32(UPDATED)
    channel[masks & int(Status.MISSING) != 0] = 0
    table = channel | interval << np.uint32(16)
    table[masks & ABSENT != 0] = MISSING_CELL
    return table.astype("<u4")


@lru_cache(maxsize=2)
def masks_in(interval: bool) -> Masks:
    """The mask of every interval word, or channel word; bits without a meaning give nothing."""
    words = np.arange(1 << 16)
    table = np.zeros(1 << 16, np.uint16)
    for bit in INTERVAL_WORD if interval else CHANNEL_WORD:
        table[words & bit.mask != 0] |= int(bit.back)
    return table


def register_mask(word: int) -> int:
    """The mask of a register's quality, which has the bits of the channel word."""
    return int(masks_in(False)[word])


def word_tables() -> dict[str, Table]:
    """The words for the documentation."""

    def rows(bits: tuple[Bit, ...]) -> Table:
        found = [
            (f"`{bit.mask:04X}`", bit.meaning, bit.out.name or "–", bit.back.name or "–")
            for bit in bits
        ]
        return [("Mask", "Meaning", "Out from", "Read as"), *found]

    return {"channel word": rows(CHANNEL_WORD), "interval word": rows(INTERVAL_WORD)}
