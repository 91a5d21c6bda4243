"""The compiled writer: many rows at a time, gathered from tables of ready-made text.

A row is a record of byte strings, filled up with NUL; deleting the NULs leaves the line. Every
text comes from the declared kinds (tables.py), made once for each thing that rows share: a device,
a channel, an instant, a value, a mask, a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from devices.readings import (
    ABSENT,
    INTERVAL_SECONDS,
    PUBLIC,
    Channel,
    DeviceInfo,
    Ints,
    Status,
    status_letter,
)
from exports.formats.context import SUMS
from exports.formats.iso import stamp
from exports.formats.quality import quality_codes
from exports.formats.rte.arrivals import Arrivals, is_missing
from exports.formats.rte.rows import SEQ_PLACE, in_zone, may_be_negative, off_grid
from exports.formats.rte.run import ONE, Run, kind_of, value_of
from exports.formats.rte.tables import INTERVAL, LAST_REVISION, READING, REGISTER, ROW
from exports.formats.zones import zone_of

Flags = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.bytes_]
T = TypeVar("T")
BLOCK = 1 << 14  # rows laid out at once: the working set stays in the cache
SPOILT = int(Status.ESTIMATED | Status.EDITED)
NAMED = {column.name: column for column in ROW.columns}
OWN = tuple(NAMED[name] for name in ("DeviceID", "MeterNumber", "ServicePointID"))


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

    def lines(self) -> Iterator[bytes]:
        """The rows' text, block by block, Seq and other room filled with NUL."""
        layout = np.dtype([(f"f{n}", part.table.dtype) for n, part in enumerate(self.parts)])
        for first in range(0, len(self.arrivals), BLOCK):
            block = slice(first, first + BLOCK)
            rows = np.empty(len(self.parts[0].places[block]), layout)
            for n, part in enumerate(self.parts):
                rows[f"f{n}"] = part.table[part.places[block]]
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
            if seconds not in INTERVAL_SECONDS:
                self.bad |= rows
            elif zone:
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
        owner, owners = _renumber(names)
        channel, channels = _renumber(numbers)
        ends, used = compact(a.ends - int(a.ends.min()), int(np.ptp(a.ends)) + 1)
        revisions = np.minimum(a.revisions, LAST_REVISION)
        levels = int(revisions.max()) + 1
        key = (owner[a.device] * channels + channel[a.channel]) * len(used) + ends
        key = key * levels + revisions
        space = owners * channels * len(used) * levels
        if _distinct(key, space):
            return
        order = np.argsort(key, kind="stable")
        again = np.zeros(len(key), np.bool_)
        again[order[1:]] = np.diff(key[order]) == 0
        self.bad |= again & (revisions < LAST_REVISION)

    # --- texts ----------------------------------------------------------------------------------
    def _lay_out(self) -> None:
        a, run = self.arrivals, self.run
        heads = _strings([kind.encode() + b"," + SEQ_PLACE for kind in (INTERVAL, REGISTER)])
        register = np.array([kind_of(channel) == REGISTER for channel in a.channels])
        self.parts = [
            Texts(heads, register.astype(np.int64)[a.channel]),
            Texts(self._devices(), a.device),
            Texts(self._channels(), a.channel),
            self._times(),
            self._values(register),
            self._qualities(),
            self._batches(run),
        ]

    def _devices(self) -> Bytes:
        devices = self.arrivals.devices
        columns = [[getattr(d, name) for d in devices] for name in _ATTRIBUTES]
        if all(_bare(column, width) for column, width in zip(columns, _WIDTHS, strict=True)):
            texts = [f",{one},{two},{three},".encode() for one, two, three in zip(*columns)]  # noqa: B905
            return _strings(texts)
        bad = np.zeros(len(devices), np.bool_)
        texts = []
        for place, device in enumerate(devices):
            text = _tried(_device_text, device)
            bad[place] = text is None
            texts.append(text or b"")
        self.bad |= bad[self.arrivals.device]
        return _strings(texts)

    def _channels(self) -> Bytes:
        return self._of_channels(_channel_text)

    def _of_channels(self, made: Callable[[Channel], bytes]) -> Bytes:
        """A text for each channel; rows of one that has none are bad."""
        channels = self.arrivals.channels
        bad = np.zeros(len(channels), np.bool_)
        texts = []
        for place, channel in enumerate(channels):
            text = _tried(made, channel)
            bad[place] = text is None
            texts.append(text or b"")
        if bad.any():
            self.bad |= bad[self.arrivals.channel]
        return _strings(texts)

    def _times(self) -> Texts:
        """Timestamp and interval seconds."""
        a, run = self.arrivals, self.run
        zone, zones = _numbered([run.zone(device) for device in a.devices])
        length, lengths = _numbered([channel.seconds or None for channel in a.channels])
        low = int(a.ends.min())
        step = int(np.gcd.reduce(a.ends - low)) or 1
        span = int(np.ptp(a.ends)) // step + 1
        key = (zone[a.device] * len(lengths) + length[a.channel]) * span + (a.ends - low) // step
        index, used = compact(key, len(zones) * len(lengths) * span)
        seconds = NAMED["IntervalSeconds"]
        tails = [b",%s," % (_tried(seconds.put, one) or b"") for one in lengths]
        texts = []
        for code in used.tolist():
            which, place = divmod(code, span)
            home, tail = divmod(which, len(lengths))
            texts.append(stamp(low + place * step, zones[home]).encode() + tails[tail])
        return Texts(_strings(texts), index)

    def _values(self, register: Flags) -> Texts:
        """Value, and on the way the totals as written."""
        a = self.arrivals
        missing = is_missing(a.status)
        scale, scales = _numbered([(self.run.scale(c), kind_of(c)) for c in a.channels])
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
        texts = [_tried(_value_text, low + count, *scales[one]) for one, count in made]
        bad = np.array([text is None for text in texts], np.bool_)
        if bad.any():
            self.bad |= bad[index] & ~missing
        self._add_up(register, missing, index, texts)
        self._note_odd(counts)
        index = np.where(missing, len(texts), index)
        return Texts(_strings([*(text or b"" for text in texts), b""]), index)

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
        kinds = self._of_channels(lambda channel: _kind_text(channel, self.run))
        kind, used_kinds = _numbered(kinds.tolist())
        span = PUBLIC + 1
        masks = (a.status & PUBLIC).astype(np.int64)
        index, used = compact(kind[a.channel] * span + masks, len(used_kinds) * span)
        texts = []
        for code in used.tolist():
            which, mask = divmod(code, span)
            texts.append(used_kinds[which] + _quality_text(mask))
        return Texts(_strings(texts), index)

    def _batches(self, run: Run) -> Texts:
        """ReceivedTime, Origin, Revision and the line end."""
        a = self.arrivals
        zone, zones = _numbered([run.zone(device) for device in a.devices])
        revisions = np.minimum(a.revisions, LAST_REVISION)
        span = int(revisions.max()) + 1
        key = (a.batch * len(zones) + zone[a.device]) * span + revisions
        index, used = compact(key, len(a.batches) * len(zones) * span)
        texts, bad = [], []
        for code in used.tolist():
            which, revision = divmod(code, span)
            text = _tried(_batch_text, a.batches[which // len(zones)], zones[which % len(zones)])
            bad.append(text is None)
            texts.append(b"%s,%d%s" % (text or b"", revision, run.line_end))
        if any(bad):
            self.bad |= np.array(bad)[index]
        return Texts(_strings(texts), index)


# --- one text -------------------------------------------------------------------------------------

_ATTRIBUTES = ("device_id", "meter_number", "service_point_id")
_WIDTHS = tuple(column.limit for column in OWN)


def _device_text(device: DeviceInfo) -> bytes:
    cells = [c.put(getattr(device, name)) for c, name in zip(OWN, _ATTRIBUTES, strict=True)]
    return b",%s,%s,%s," % tuple(cells)


def _channel_text(channel: Channel) -> bytes:
    if channel.number is None:
        raise ValueError("no number")
    put = NAMED
    cells = (
        put["Channel"].put(channel.number),
        put["UOM"].put(channel.unit),
        put["Flow"].put(channel.flow),
    )
    return b"%s,%s,%s," % cells


def _kind_text(channel: Channel, run: Run) -> bytes:
    cells = (
        NAMED["ValueType"].put(channel.value_type),
        NAMED["Multiplier"].put(ONE if channel.multiplier is None else channel.multiplier),
        NAMED["MultiplierApplied"].put("Y" if run.applied(channel) else "N"),
    )
    return b",%s,%s,%s," % cells


def _quality_text(mask: int) -> bytes:
    codes = NAMED["QualityCodes"].put(";".join(quality_codes(mask)))
    return b"%s,%s," % (NAMED["Quality"].put(status_letter(mask)), codes)


def _value_text(count: int, scale: Decimal, kind: str) -> bytes:
    value = value_of(count, scale)
    if kind == INTERVAL:
        return NAMED["Value"].put(value)
    return READING.put(value, "Value", NAMED["Value"].limit)


def _batch_text(batch: Any, zone: str) -> bytes:
    if batch is None:
        return b","
    received = NAMED["ReceivedTime"].put(in_zone(batch.received, zone_of(zone)))
    return b"%s,%s" % (received, NAMED["Origin"].put(batch.source))


def _tried(made: Callable[..., bytes], *arguments: Any) -> bytes | None:
    """The text, or None where it cannot be made."""
    try:
        return made(*arguments)
    except ValueError:
        return None


def _bare(texts: Sequence[str], width: int) -> bool:
    """All these texts are written as they are, with nothing to refuse."""
    joined = "\n".join(texts)
    return (
        joined.count("\n") == len(texts) - 1
        and joined.isascii()
        and joined.replace("\n", "").isprintable()
        and "," not in joined
        and '"' not in joined
        and max(map(len, texts)) <= width
    )


# --- numbering ------------------------------------------------------------------------------------


def compact(codes: Ints, space: int) -> tuple[Ints, Ints]:
    """Codes below `space` as places among those that occur, (n,); and these, ascending."""
    if space <= 8 * len(codes) + 4096:
        used = np.zeros(space, np.bool_)
        used[codes] = True
        return (np.cumsum(used) - 1)[codes], np.flatnonzero(used)
    found, index = np.unique(codes, return_inverse=True)
    return index, found


def _distinct(keys: Ints, space: int) -> bool:
    """Whether no key occurs twice."""
    if space <= 8 * len(keys) + 4096:
        used = np.zeros(space, np.bool_)
        used[keys] = True
        return int(np.count_nonzero(used)) == len(keys)
    ordered = np.sort(keys)
    return not (ordered[1:] == ordered[:-1]).any()


def _numbered(things: Sequence[T]) -> tuple[Ints, list[T]]:
    """Equal things as one: the place of each among the different ones, and those."""
    places: dict[T, int] = {}
    index = [places.setdefault(thing, len(places)) for thing in things]
    return np.array(index, np.int64), list(places)


def _renumber(things: Sequence[Any]) -> tuple[Ints, int]:
    index, found = _numbered(things)
    return index, len(found)


def _strings(texts: Sequence[bytes]) -> Bytes:
    return np.array(texts, dtype=f"S{max(map(len, texts), default=0) or 1}")
