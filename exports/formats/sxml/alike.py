"""Register reads out of the store that are alike, written without a value becoming an object.

The registers of the first of its kind are written by the declared way, with values and peak times
of its own that are found again in the text: what is between them is a template for all of the kind.
What is odd in any way (a refusal, a warning, a number that is not plain) is left to the declared
way; a test holds the two equal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import chain, pairwise
from typing import NamedTuple

import numpy as np
from msgspec import structs

from devices.readings import DeviceInfo, Ints, RegisterRead, RegisterValue
from devices.storedreads import StoredRead, StoredReads
from exports.formats.decimals import DECIMALS, NEWLINE, counts_of, plain_cells
from exports.formats.iso import stamp_of
from exports.formats.registerparts import kept
from exports.formats.sxml.kinds import Kind, Kinds
from exports.formats.sxml.registers import Registers, read_order
from exports.formats.sxml.run import Run, Sums
from exports.formats.sxml.tables import COUNT, REGISTER_READ
from exports.formats.zones import zone_of

MOST = 500  # reads of one array
NUL = b"\0"
_STORED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_MARK = re.compile(rb'(?<=>)(9\d{6}\.5)(?=<)|(?<= time=")([^"]*)(?=")')
_HIGHEST, _PLACES = 9_999_999, 10_000  # of the marks that stand for values; peaks descend
_FIRST = datetime(1990, 1, 1, tzinfo=UTC)  # of those that stand for peak times


class NotPlain(ValueError):
    """A text that is not written as our store writes it."""


class Shape(NamedTuple):
    """Reads whose registers make one text.

    `slots`: which group of the stored text each `%s` of the template is, behind that of the start
    tag; `amounts`, `peaks`: the groups that are values, and times; `falling`: the values of one
    register's peaks; `sums`: what each read adds, but for its totals.
    """

    template: bytes
    slots: list[int]
    amounts: list[int]
    peaks: list[int]
    energy: list[int]
    demand: list[int]
    falling: list[list[int]]
    sums: Sums


@dataclass(slots=True)
class Waiting:
    """A read on its way out: its start tag, the groups of its stored text; then its text and what
    it adds."""

    head: bytes
    groups: tuple[str, ...]
    text: bytes = b""
    sums: Sums = field(default_factory=Sums)


class Written(NamedTuple):
    """A meter's reads as text, and what they add up to. `current`: there are some, written or not,
    that a run of intervals may begin or end with."""

    text: list[bytes]
    sums: Sums
    current: bool


class Stamps(dict[str, bytes]):
    """Instants as the store has them, as text in a zone; NotPlain for any other."""

    def __init__(self, zone: str) -> None:
        super().__init__()
        self.zone = zone_of(zone)

    def __missing__(self, text: str) -> bytes:
        if not _STORED.fullmatch(text):
            raise NotPlain(text)
        found = self[text] = self.of(datetime.fromisoformat(text))
        return found

    def of(self, time: datetime) -> bytes:
        """An instant as text."""
        return stamp_of(time.astimezone(self.zone)).encode()


class AlikeReads:
    """The register reads of a frame that can be written so."""

    def __init__(self, run: Run, devices: Sequence[DeviceInfo]) -> None:
        self.run = run
        self.devices = devices
        self.kinds = Kinds()
        self.shapes: dict[tuple[object, ...], Shape | None] = {}
        self.heads: dict[tuple[object, ...], bytes | None] = {}
        self.stamps: dict[str, Stamps] = {}

    def written(self, reads: StoredReads, places: Iterable[int]) -> dict[int, Written]:
        """The reads of these devices, of those whose reads can all be written so."""
        together: dict[tuple[int, str], tuple[Shape, list[Waiting]]] = {}
        waiting: dict[int, list[Waiting]] = {}
        for place in places:
            device = self.devices[place]
            planned = self._planned(device, reads.texts.get(place, ()))
            if planned is None:
                continue
            waiting[place] = [read for _, read in planned]
            for shape, read in planned:
                key = (id(shape), self.run.zone(device))
                together.setdefault(key, (shape, []))[1].append(read)
        for (_, zone), (shape, every) in together.items():
            for first in range(0, len(every), MOST):
                self._write(shape, self.stamps[zone], every[first : first + MOST])
        return {
            place: Written(
                [read.text for read in own],
                _total(own),
                any(stored.read_type == "CUR" for stored in reads.texts[place]),
            )
            for place, own in waiting.items()
            if all(read.text for read in own)
        }

    # --- what can be written so -------------------------------------------------------------------
    def _planned(
        self, device: DeviceInfo, stored: Sequence[StoredRead]
    ) -> list[tuple[Shape, Waiting]] | None:
        """A device's reads in order; None if one of them has to be written the declared way."""
        ctx, zone = self.run.ctx, self.run.zone(device)
        if any(read.time.tzinfo is None for read in stored):
            return None
        if len(stored) > 1:
            stored = sorted(stored, key=lambda read: read_order(read.bare()))
        billed = ctx.options["reads"] == "bill"
        found: list[tuple[Shape, Waiting]] = []
        keys = set()
        for read in stored:
            if read.read_type not in self.run.chosen["read_types"]:
                continue
            if not (billed or ctx.start <= read.time < ctx.end):
                continue
            match = self.kinds.match(read.values)
            if match is None:
                return None
            kind, groups = match
            shape, head = self._shape(kind, zone), self._head(device, read, zone)
            if shape is None or head is None or (read.read_type, read.time) in keys:
                return None
            if shape.template:
                keys.add((read.read_type, read.time))
                found.append((shape, Waiting(head, groups)))
        return found

    def _head(self, device: DeviceInfo, stored: StoredRead, zone: str) -> bytes | None:
        """The start tag of a read, made once for all that differ in their ids alone."""
        head, rest = stored.parted()
        key = (zone, stored.read_type, stored.time, head)
        if key not in self.heads:
            registers = Registers(self.run, device.device_id, zone, Sums())
            try:
                tag = REGISTER_READ.template(registers.head(stored.bare()), "id")
            except ValueError:  # the declared way tells of which meter
                tag = b""
            fine = tag and not registers.warnings and not stored.time.microsecond
            kept(self.heads, key, tag if fine else None)
        made = self.heads[key]
        if made is None:
            return None
        registers = Registers(self.run, device.device_id, zone, Sums())
        own = stored.bare().read_id if rest else ""
        number = registers.read_id(stored.read_type, stored.time, own)
        return made % b"%d" % number if number <= COUNT.high else None

    def _shape(self, kind: Kind, zone: str) -> Shape | None:
        key = (kind, zone)
        if key not in self.shapes:
            try:
                if zone not in self.stamps:
                    self.stamps[zone] = Stamps(zone)
                kept(self.shapes, key, self._made(kind, zone))
            except ValueError:  # the declared way tells of which meter
                kept(self.shapes, key, None)
        return self.shapes[key]

    def _made(self, kind: Kind, zone: str) -> Shape | None:
        """The shape of such reads; None if they cannot be told by a template."""
        remove = self.run.ctx.options["remove_multiplier"]
        if remove and any(value.multiplier is not None for value in kind.values):
            return None
        given = [(value.value is not None) is (n in kind.amounts) and
                 (value.peak_time is not None) is (n in kind.peaks)
                 for n, value in enumerate(kind.values)]  # fmt: skip
        if not all(given) or len(given) >= _PLACES:
            return None
        if not all(1 <= value.occurrence <= 99 for value in kind.values):
            return None
        sums, stamps = Sums(), self.stamps[zone]
        registers = Registers(self.run, "", zone, sums)
        read = RegisterRead(_FIRST, "", tuple(map(_marked, range(len(given)), kind.values)))
        grouped = list(registers.grouped(read))
        text = b"".join(line for key, own in grouped for line in registers.register(key, own))
        if registers.warnings or registers.unsupported:
            return None
        of_value = {_amount(n, kind.values[n]): group for n, group in kind.amounts.items()}
        marks = {str(amount).encode(): group for amount, group in of_value.items()}
        times = {stamps.of(_time(n)): group for n, group in kind.peaks.items()}
        fixed, slots, last = [], [], 0
        for mark in _MARK.finditer(text):
            group = times.get(mark[2]) if mark[1] is None else marks.get(mark[1])
            if group is None:
                return None
            fixed.append(text[last : mark.start()].replace(b"%", b"%%"))
            slots.append(group)
            last = mark.end()
        fixed.append(text[last:].replace(b"%", b"%%"))
        totals: dict[str, list[int]] = {"SUM": [], "MAX": []}
        falling = []
        for (_, register_class, _), own in grouped:
            values = [of_value[value.value] for value in own if value.value is not None]
            if register_class in totals and own[0].value is not None:
                totals[register_class].append(values[0])
            if len(values) > 1 and register_class == "MAX":
                falling.append(values)
        used = [*slots, *chain.from_iterable(falling), *totals["SUM"], *totals["MAX"]]
        template = b"      <%%s>\r\n%s      </RegisterRead>\r\n" % b"%s".join(fixed)
        return Shape(
            template if text else b"",
            slots,
            sorted(set(used) & set(kind.amounts.values())),
            sorted(set(slots) & set(kind.peaks.values())),
            totals["SUM"],
            totals["MAX"],
            falling,
            sums,
        )

    # --- many at once -----------------------------------------------------------------------------
    def _write(self, shape: Shape, stamps: Stamps, reads: list[Waiting]) -> None:
        """Give reads of one shape and zone their text; those that are not plain get none."""
        try:
            self._write_all(shape, stamps, reads)
        except NotPlain:
            if len(reads) > 1:
                half = len(reads) // 2
                self._write(shape, stamps, reads[:half])
                self._write(shape, stamps, reads[half:])

    def _write_all(self, shape: Shape, stamps: Stamps, reads: list[Waiting]) -> None:
        columns = list(zip(*(read.groups for read in reads), strict=True))
        counts, filled = _numbers([columns[group] for group in shape.amounts], len(reads))
        row = {group: counts[n] for n, group in enumerate(shape.amounts)}
        for places in shape.falling:
            if any((row[later] > row[one]).any() for one, later in pairwise(places)):
                raise NotPlain
        cells: dict[int, list[bytes]] = dict(zip(shape.amounts, filled, strict=True))
        for group in shape.peaks:
            cells[group] = list(map(stamps.__getitem__, columns[group]))
        heads = [read.head for read in reads]
        rows = zip(heads, *(cells[group] for group in shape.slots), strict=True)
        totals = (
            sum((row[group] for group in groups), np.zeros(len(reads), np.int64)).tolist()
            for groups in (shape.energy, shape.demand)
        )
        counted = shape.sums
        for read, texts, energy, demand in zip(reads, rows, *totals, strict=True):
            read.text = shape.template % texts
            read.sums = Sums(
                reads=1,
                registers=counted.registers,
                estimated=counted.estimated,
                missing=counted.missing,
                energy=Decimal(energy).scaleb(-DECIMALS),
                demand=Decimal(demand).scaleb(-DECIMALS),
            )


def _numbers(columns: Sequence[Sequence[str]], size: int) -> tuple[Ints, list[list[bytes]]]:
    """Columns of so many numbers as counts, (k, n), and as they are written. NotPlain."""
    if not columns:
        return np.zeros((0, size), np.int64), []
    counts = counts_of(chain.from_iterable(columns))
    if counts is None:
        raise NotPlain
    counts = counts.reshape(len(columns), size)
    plain = plain_cells(counts)
    cells = np.full((*plain.shape[:2], plain.shape[2] + 1), NEWLINE, np.uint8)
    cells[..., :-1] = plain
    texts = cells.tobytes().translate(None, NUL).split(b"\n")
    return counts, [texts[first : first + size] for first in range(0, counts.size, size)]


def _total(reads: Sequence[Waiting]) -> Sums:
    if len(reads) == 1:
        return reads[0].sums
    sums = Sums()
    for read in reads:
        sums.add(read.sums)
    return sums


def _amount(place: int, value: RegisterValue) -> Decimal:
    return Decimal(_HIGHEST - value.occurrence * _PLACES - place) + Decimal("0.5")


def _time(place: int) -> datetime:
    return _FIRST + timedelta(minutes=place)


def _marked(place: int, value: RegisterValue) -> RegisterValue:
    """With a value and a peak time that tell where they are written."""
    return structs.replace(
        value,
        value=None if value.value is None else _amount(place, value),
        peak_time=None if value.peak_time is None else _time(place),
    )
