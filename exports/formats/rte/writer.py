"""Arrivals on their way out: chosen, compiled, refused or written; and the numbering of rows."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np

from devices.readings import INTERVAL_SECONDS
from exports.formats.context import Tally
from exports.formats.issues import FormatError
from exports.formats.rte.arrivals import Arrivals
from exports.formats.rte.compiled import Compiled
from exports.formats.rte.places import seq_block, seq_digits
from exports.formats.rte.rows import Rows, twins_find
from exports.formats.rte.run import Run, kind_of
from exports.formats.rte.tables import INTERVAL, LAST_SEQ, RTW, SEQ_DIGITS, rte

SEQ_AT = 2  # behind the record type and its comma
LINE_FEED = 10


def arrivals_write(
    arrivals: Arrivals,
    run: Run,
    out: BinaryIO,
    tally: Tally,
    *,
    compiled: bool = True,
    refused: dict[int, FormatError] | None = None,
) -> set[str]:
    """The rows of some arrivals, to what `Numbering` stands before; the ids of their devices.

    A refusal raises, or leaves out all rows of its device here. `refused`: devices, by place,
    that are refused already.
    """
    errors = dict(refused or {})
    wanted = run.wanted(arrivals)
    if wanted is not None:
        arrivals = arrivals.pick(wanted)
    arrivals = _carried(arrivals, run, tally)
    write = _compiled if compiled else _declared
    lot, found = write(arrivals, run, errors)
    if found:
        left = {arrivals.devices[place].device_id: error for place, error in found.items()}
        for place, error in sorted(found.items()):
            device = arrivals.devices[place]
            error.at(format="rte", meter=device.device_id)
            if run.ctx.on_error == "stop":
                raise error
        for name, error in left.items():
            device = next(d for d in arrivals.devices if d.device_id == name)
            tally.leave_out(device, None, error)
        names = [device.device_id in left for device in arrivals.devices]
        arrivals = arrivals.pick(~np.array(names)[arrivals.device])
        lot, _ = write(arrivals, run, {})
    lot.give(out, tally)
    return {arrivals.devices[place].device_id for place in np.unique(arrivals.device).tolist()}


def _carried(arrivals: Arrivals, run: Run, tally: Tally) -> Arrivals:
    """The rows of channels that the format carries; others are left out, or stop the run."""
    faults: dict[int, FormatError] = {}
    for place, channel in enumerate(arrivals.channels):
        if channel.number is None:
            faults[place] = rte("RTE04", unit=channel.unit, flow=channel.flow)
        elif kind_of(channel) == INTERVAL and channel.seconds not in INTERVAL_SECONDS:
            faults[place] = rte("FMT17", seconds=channel.seconds)
    if not faults:
        return arrivals
    lost = np.isin(arrivals.channel, list(faults))
    pairs = np.unique(np.stack((arrivals.device[lost], arrivals.channel[lost]), axis=1), axis=0)
    for who, what in pairs.tolist():
        device, channel, error = arrivals.devices[who], arrivals.channels[what], faults[what]
        where = str(channel.number or f"{channel.unit} {channel.flow}")
        found = FormatError(error.code, error.text, format="rte", meter=device.device_id)
        if run.ctx.on_unsupported == "stop":
            raise found.at(where=where)
        tally.leave_out(device, channel, found.at(where=where))
    return arrivals.pick(~lost)


@dataclass(slots=True)
class Lot:
    """Finished rows with their counts, by record type."""

    made: Compiled | None = None
    lines: Sequence[bytes] = ()
    counts: dict[str, Any] = field(default_factory=dict)
    odd: list[tuple[str, str, int]] = field(default_factory=list)  # warnings

    def give(self, out: BinaryIO, tally: Tally) -> None:
        if self.made is None:
            lines: Iterable[bytes] = self.lines
        elif isinstance(out, Numbering):
            lines = out.numbered(self.made)
        else:
            lines = self.made.lines()
        for data in lines:
            out.write(data)
        for kind, (rows, missing, total) in self.counts.items():
            tally.records += rows
            tally.intervals += rows if kind == "I" else 0
            tally.registers += rows if kind == "R" else 0
            tally.missing += missing
            tally.add(f"total {kind}", total)
        for code, text, count in self.odd:
            tally.warn(code, text, count)


Refused = dict[int, FormatError]


def _compiled(arrivals: Arrivals, run: Run, refused: Refused) -> tuple[Lot, Refused]:
    """The rows at once; where some cannot be written, what the declared writer says of them."""
    made = Compiled(arrivals, run)
    if made.bad.any():
        rows = Rows(arrivals, run, twins_find(arrivals))
        seen = set(refused)
        for place in np.flatnonzero(made.bad).tolist():
            device = int(arrivals.device[place])
            if device in seen:
                continue
            seen.add(device)
            try:
                rows.row(place)
            except FormatError as error:
                refused.setdefault(device, error)
    if refused:
        return Lot(), refused
    lot = Lot(made if len(arrivals) else None, counts=dict(made.totals))
    for code, places in (("RTW01", made.negative), ("RTW02", made.capped)):
        if len(places):
            lot.odd.append((code, _example(arrivals, int(places[0]), code), len(places)))
    return lot, refused


def _declared(arrivals: Arrivals, run: Run, refused: Refused) -> tuple[Lot, Refused]:
    """The rows one by one: the reference."""
    rows = Rows(arrivals, run, twins_find(arrivals))
    out, tally = io.BytesIO(), Tally()
    counts = {kind: [0, 0] for kind in "IR"}
    odd: dict[str, list[int]] = {"RTW01": [], "RTW02": []}
    for place in range(len(arrivals)):
        device = int(arrivals.device[place])
        if device in refused:
            continue
        try:
            row = rows.row(place)
        except FormatError as error:
            refused[device] = error
            continue
        out.write(row.line)
        counts[row.kind][0] += 1
        counts[row.kind][1] += row.value is None
        tally.add(row.kind, row.value or 0)
        for code, is_odd in (("RTW01", row.negative), ("RTW02", row.capped)):
            if is_odd:
                odd[code].append(place)
    lot = Lot(lines=[out.getvalue()])
    lot.counts = {
        kind: (*pair, tally.total(kind)) for kind, pair in counts.items() if len(arrivals)
    }
    lot.odd = [
        (code, _example(arrivals, places[0], code), len(places))
        for code, places in odd.items()
        if places
    ]
    return lot, refused


def _example(arrivals: Arrivals, place: int, code: str) -> str:
    device = arrivals.devices[int(arrivals.device[place])].device_id
    return f"{device}/{arrivals.name(place)}: {RTW[code]}"


class Numbering:
    """A filter over a file: gives each row the next Seq, and drops what was kept as room."""

    def __init__(self, out: BinaryIO, first: int) -> None:
        self.out = out
        self.next = first
        self._rest = b""

    def numbered(self, made: Compiled) -> Iterator[bytes]:
        """The next rows, which are given their numbers as they are made."""
        first = self._given(len(made.arrivals))
        return made.lines(first)

    def _given(self, rows: int) -> int:
        """The first of the next numbers, FMT07 if the column cannot hold the last."""
        first, last = self.next, self.next + rows - 1
        if last > LAST_SEQ:
            raise rte("FMT07", field="Seq", value=last, width=SEQ_DIGITS).at(format="rte")
        self.next += rows
        return first

    def write(self, data: bytes) -> int:
        """Whole lines go on; the start of one waits for its end."""
        last = data.rfind(b"\n") + 1
        if not last:
            self._rest += data
            return len(data)
        whole = self._rest + data[:last] if self._rest else data[:last]
        self._rest = data[last:]
        self.out.write(self._numbered(whole) if b"\0" in whole else whole)
        return len(data)

    def _numbered(self, lines: bytes) -> bytes:
        cells = np.frombuffer(bytearray(lines), np.uint8)
        ends = np.flatnonzero(cells == LINE_FEED) + 1
        starts = np.concatenate(([0], ends[:-1]))
        while len(short := np.flatnonzero(cells[starts] == 0)):
            starts[short] += 1  # the line before left room: its revision has fewer digits
        starts = starts[cells[starts + SEQ_AT] == 0] + SEQ_AT
        first, done = self._given(len(starts)), 0
        while done < len(starts):
            digits = seq_digits(first + done, seq_block(first + done, len(starts) - done))
            places = starts[done : done + len(digits)]
            for place, column in enumerate(digits.T):
                cells[places + place] = column
            done += len(digits)
        return cells.tobytes().translate(None, b"\0")
