"""The compiled writer: many rows at a time, gathered from tables of ready-made text.

A row is a record of byte strings, filled up with NUL; deleting the NULs leaves the line. Every
text comes from the declared kinds (tables.py), made once for each thing that rows share: a device,
a channel, an instant, a value, a mask, a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from devices.readings import ABSENT, PUBLIC, Channel, Ints, Status
from exports.formats.context import SUMS
from exports.formats.rte.arrivals import Arrivals, is_missing
from exports.formats.rte.places import (
    Bytes,
    blocks_of,
    compact,
    dense,
    distinct,
    numbered,
    seq_digits,
    strings,
)
from exports.formats.rte.rows import SEQ_PLACE, may_be_negative, off_grid
from exports.formats.rte.run import Run, kind_of
from exports.formats.rte.tables import INTERVAL, LAST_REVISION, REGISTER
from exports.formats.rte.texts import (
    ATTRIBUTES,
    NAMED,
    WIDTHS,
    all_bare,
    batch_text,
    channel_text,
    device_text,
    kind_text,
    quality_text,
    time_text,
    tried,
    value_text,
)

T = TypeVar("T")
Flags = npt.NDArray[np.bool_]
SPOILT = int(Status.ESTIMATED | Status.EDITED)


class Texts(NamedTuple):
    """Ready-made texts, and each row's place among them, (n,)."""

    table: Bytes
    places: Ints


class Totals(NamedTuple):
    """What rows of one record type add up to."""

    rows: int
    missing: int
    total: Decimal


@dataclass(slots=True)
class Compiled:
    """A lot of arrivals as text. `bad` (n,): rows that the declared writer has to refuse."""

    arrivals: Arrivals
    run: Run
    bad: Flags = field(init=False)
    parts: list[Texts] = field(default_factory=list)
    totals: dict[str, Totals] = field(default_factory=dict)
    negative: Ints = field(init=False)  # rows of values below 0, to be warned of
    capped: Ints = field(init=False)

    def __post_init__(self) -> None:
        a = self.arrivals
        self.bad = np.zeros(len(a), np.bool_)
        self.negative = self.capped = np.zeros(0, np.int64)
        if not len(a):
            return
        self._find_conflicts()
        self._find_off_grid()
        self._find_twins()
        self._lay_out()

    def lines(self, first: int | None = None) -> Iterator[bytes]:
        """The rows' text, block by block: with Seq from `first` on, or with NUL in its place."""
        loose = sum(part.table.itemsize - min(map(len, part.table.tolist())) for part in self.parts)
        for block in self._blocks(first):
            yield block if first is None else dense(block, loose)

    def _blocks(self, first: int | None) -> Iterator[bytes]:
        parts = self.parts
        for start, size in blocks_of(len(self.arrivals), first):
            block = slice(start, start + size)
            digits = None if first is None else seq_digits(first + start, size)
            width = len(SEQ_PLACE) if digits is None else digits.shape[1]
            kinds = [("head", "S2"), ("seq", f"V{width}")]
            kinds += [(f"{n}", part.table.dtype.str) for n, part in enumerate(parts[1:])]
            rows = np.zeros(size, kinds) if digits is None else np.empty(size, kinds)
            rows["head"] = parts[0].table[parts[0].places[block]]
            if digits is not None:
                rows["seq"] = digits.view(f"V{width}").ravel()
            for n, part in enumerate(parts[1:]):
                rows[f"{n}"] = part.table[part.places[block]]
            yield rows.tobytes()

    # --- what is wrong --------------------------------------------------------------------------
    def _find_conflicts(self) -> None:
        status = self.arrivals.status
        if status.any():
            self.bad |= is_missing(status) & (status & SPOILT != 0) & (status & ABSENT == 0)

    def _find_off_grid(self) -> None:
        a = self.arrivals
        kinds: dict[tuple[int, int | None, str], list[int]] = {}
        for place, channel in enumerate(a.channels):
            if kind_of(channel) == INTERVAL:
                kind = (channel.seconds, channel.grid_offset, channel.zone)
                kinds.setdefault(kind, []).append(place)
        for (seconds, offset, zone), places in kinds.items():
            mine = np.zeros(len(a.channels), np.bool_)
            mine[places] = True
            rows = mine[a.channel]
            if zone:
                ends, index = np.unique(a.ends[rows], return_inverse=True)
                away = [off_grid(seconds, offset, zone, end) for end in ends.tolist()]
                self.bad[rows] |= np.array(away, np.bool_)[index]
            elif offset is not None:
                self.bad |= rows & ((a.ends + offset) % seconds != 0)

    def _find_twins(self) -> None:
        """Rows that repeat key and revision: found only where there are any."""
        a = self.arrivals
        names = [device.device_id for device in a.devices]
        numbers = [(kind_of(channel), channel.number) for channel in a.channels]
        owner, owners = numbered(names)
        channel, channels = numbered(numbers)
        ends, used = compact(a.ends - int(a.ends.min()), int(np.ptp(a.ends)) + 1)
        revisions = np.minimum(a.revisions, LAST_REVISION)
        levels = int(revisions.max()) + 1
        key = (owner[a.device] * len(channels) + channel[a.channel]) * len(used) + ends
        key = key * levels + revisions
        space = len(owners) * len(channels) * len(used) * levels
        if distinct(key, space):
            return
        order = np.argsort(key, kind="stable")
        again = np.zeros(len(key), np.bool_)
        again[order[1:]] = np.diff(key[order]) == 0
        self.bad |= again & (revisions < LAST_REVISION)

    # --- texts ----------------------------------------------------------------------------------
    def _lay_out(self) -> None:
        a, run = self.arrivals, self.run
        heads = strings([kind.encode() + b"," for kind in (INTERVAL, REGISTER)])
        register = np.array([kind_of(channel) == REGISTER for channel in a.channels])
        self.parts = [
            Texts(heads, register.astype(np.int64)[a.channel]),
            Texts(self._devices(), a.device),
            Texts(self._of_channels(channel_text), a.channel),
            self._times(),
            self._values(register),
            self._qualities(),
            self._batches(run),
        ]

    def _devices(self) -> Bytes:
        devices = self.arrivals.devices
        columns = [[getattr(d, name) for d in devices] for name in ATTRIBUTES]
        if all(all_bare(column, width) for column, width in zip(columns, WIDTHS, strict=True)):
            texts = [f",{one},{two},{three},".encode() for one, two, three in zip(*columns)]  # noqa: B905
            return strings(texts)
        return self._each(devices, self.arrivals.device, device_text)

    def _of_channels(self, made: Callable[[Channel], bytes]) -> Bytes:
        return self._each(self.arrivals.channels, self.arrivals.channel, made)

    def _each(self, things: Sequence[T], places: Ints, made: Callable[[T], bytes]) -> Bytes:
        """A text for each thing that a row names; rows of one that has none are bad."""
        named = np.zeros(len(things), np.bool_)
        named[places] = True
        texts = [tried(made, one) if used else b"" for one, used in zip(things, named, strict=True)]
        bad = np.array([text is None for text in texts], np.bool_)
        if bad.any():
            self.bad |= bad[places]
        return strings([text or b"" for text in texts])

    def _times(self) -> Texts:
        """Timestamp and interval seconds."""
        a, run = self.arrivals, self.run
        zone, zones = numbered([run.zone(device) for device in a.devices])
        length, lengths = numbered([channel.seconds or None for channel in a.channels])
        low = int(a.ends.min())
        step = int(np.gcd.reduce(a.ends - low)) or 1
        span = int(np.ptp(a.ends)) // step + 1
        key = (zone[a.device] * len(lengths) + length[a.channel]) * span + (a.ends - low) // step
        index, used = compact(key, len(zones) * len(lengths) * span)
        seconds = NAMED["IntervalSeconds"]
        tails = [b",%s," % (tried(seconds.put, one) or b"") for one in lengths]
        texts, bad = [], []
        for code in used.tolist():
            which, place = divmod(code, span)
            home, tail = divmod(which, len(lengths))
            text = tried(time_text, low + place * step, zones[home])
            bad.append(text is None)
            texts.append((text or b"") + tails[tail])
        if any(bad):
            self.bad |= np.array(bad)[index]
        return Texts(strings(texts), index)

    def _values(self, register: Flags) -> Texts:
        """Value, and on the way the totals as written."""
        a = self.arrivals
        missing = is_missing(a.status)
        scale, scales = numbered([(self.run.scale(c), kind_of(c)) for c in a.channels])
        counts = np.where(missing, 0, a.counts)
        low, high = int(counts.min()), int(counts.max())
        span, index, used = high - low + 1, None, None
        codes = scale[a.channel]
        if span * len(scales) < 1 << 62:
            index, used = compact(codes * span + (counts - low), span * len(scales))
        else:  # too far apart for one key: by pairs
            pairs, index = np.unique(np.stack((codes, counts), axis=1), axis=0, return_inverse=True)
            index, used = index.reshape(-1), None
        made = (
            [divmod(code, span) for code in used.tolist()]
            if used is not None
            else [(one, count - low) for one, count in pairs.tolist()]
        )
        texts = [tried(value_text, low + count, *scales[one]) for one, count in made]
        bad = np.array([text is None for text in texts], np.bool_)
        if bad.any():
            self.bad |= bad[index] & ~missing
        self._add_up(register, missing, index, texts)
        self._note_odd(counts)
        index = np.where(missing, len(texts), index)
        return Texts(strings([*(text or b"" for text in texts), b""]), index)

    def _add_up(
        self, register: Flags, missing: Flags, index: Ints, texts: Sequence[bytes | None]
    ) -> None:
        a = self.arrivals
        of_register = register[a.channel]
        for kind, rows in ((INTERVAL, ~of_register), (REGISTER, of_register)):
            valued = rows & ~missing
            times = np.bincount(index[valued], minlength=len(texts))
            total = Decimal(0)
            for place in np.flatnonzero(times).tolist():
                amount = Decimal((texts[place] or b"0").decode())
                total = SUMS.add(total, SUMS.multiply(amount, Decimal(int(times[place]))))
            self.totals[kind] = Totals(int(rows.sum()), int((rows & missing).sum()), total)

    def _note_odd(self, counts: Ints) -> None:
        a = self.arrivals
        if (counts < 0).any():
            free = np.array([may_be_negative(channel) for channel in a.channels])
            self.negative = np.flatnonzero((counts < 0) & ~free[a.channel])
        if (a.revisions > LAST_REVISION).any():
            self.capped = np.flatnonzero(a.revisions > LAST_REVISION)

    def _qualities(self) -> Texts:
        """From ValueType to QualityCodes."""
        a = self.arrivals
        kinds = self._of_channels(lambda channel: kind_text(channel, self.run))
        kind, used_kinds = numbered(kinds.tolist())
        span = PUBLIC + 1
        masks = (a.status & PUBLIC).astype(np.int64)
        index, used = compact(kind[a.channel] * span + masks, len(used_kinds) * span)
        texts = []
        for code in used.tolist():
            which, mask = divmod(code, span)
            texts.append(used_kinds[which] + quality_text(mask))
        return Texts(strings(texts), index)

    def _batches(self, run: Run) -> Texts:
        """ReceivedTime, Origin, Revision and the line end."""
        a = self.arrivals
        zone, zones = numbered([run.zone(device) for device in a.devices])
        revisions = np.minimum(a.revisions, LAST_REVISION)
        span = int(revisions.max()) + 1
        key = (a.batch * len(zones) + zone[a.device]) * span + revisions
        index, used = compact(key, len(a.batches) * len(zones) * span)
        texts, bad = [], []
        for code in used.tolist():
            which, revision = divmod(code, span)
            text = tried(batch_text, a.batches[which // len(zones)], zones[which % len(zones)])
            bad.append(text is None)
            texts.append(b"%s,%d%s" % (text or b"", revision, run.line_end))
        if any(bad):
            self.bad |= np.array(bad)[index]
        return Texts(strings(texts), index)
