"""Skimming: meters that are plain to the last byte are taken out of a document before it is parsed.

Plain is what the writer makes: Identity in its form, RegisterReads and IntervalReads like one that
was proven before (skimparts), lines of intervals that can be read on arrays (skimlines). The parser
gets as many line breaks in their place, in a comment, and everything else as it stands. Whatever
is odd about a meter leaves it to the parser; a file in which anything is wrong is read again
without skimming, so that errors are the parser's own.

A meter is taken only behind a line that opens Meters or closes a Meter, with the namespace of the
plain root and no comment, instruction or CDATA before it: nothing can make it something else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple, TypeVar

from devices.readings import DeviceInfo, IntervalSeries, MeterData
from exports.formats.decimals import DECIMALS as UNIT_DECIMALS, counts_joined
from exports.formats.sxml.parse import Counts
from exports.formats.sxml.skimlines import (
    Column,
    Lines,
    Odd,
    Tails,
    Times,
    lines_read,
    strictly,
)
from exports.formats.sxml.skimparts import KINDS, ChannelSlots, IntervalShape, RegisterShape, Shapes
from exports.formats.sxml.tables import DECIMALS, IDENTITY, NAMESPACE, VERSION

BLOCK = 1 << 20
LARGEST = 8 << 20  # bytes of a block at most: of a meter that does not end in them, none is taken
PROLOG = 1 << 16  # bytes in which Meters must open
_ROOT = re.compile(
    rb'<\?xml version="1\.0" encoding="UTF-8"\?>(\r?\n)<SXML xmlns="%s" version="%s">\r?\n'
    % (NAMESPACE.encode(), re.escape(VERSION).encode())
)
_OPENING = re.compile(rb"\n  <Meters>\r?\n")
_ODD = re.compile(rb"<[!?]")
_BARE = rb"(?! )[ !#-%%'-;=?-~]{1,%d}(?<! )"
WIDTHS = {"service_point_id": 24, "serial_number": 24, "premise_id": 24}
_GROUP = re.compile(r'kind="(\w+)">([^<]+)<')
Match = re.Match[bytes]
AnyShape = TypeVar("AnyShape", RegisterShape, IntervalShape)
REGISTER_READ, INTERVAL_READ = b"      <RegisterRead ", b"      <IntervalRead "


@lru_cache(maxsize=2)
def _head(end: bytes) -> re.Pattern[bytes]:
    """A meter up to its first read: identifiers in order, class, lines of groups."""
    lines = [b"    <Meter>", b"      <Identity>"]
    made = [re.escape(line + end) for line in lines]
    for attribute, leaf in IDENTITY.items():
        name, bare = leaf.name.encode(), _BARE % WIDTHS.get(attribute, 20)
        line = rb"        <%s>(%s)</%s>%s" % (name, bare, name, re.escape(end))
        made.append(line if attribute in ("device_id", "meter_number") else b"(?:%s)?" % line)
    made.append(b"      </Identity>" + re.escape(end))
    made.append(rb'(?:      <Device class="(%s)"/>%s)?' % (_BARE % 10, re.escape(end)))
    group = rb'      <Group kind="(?:BillCycle|General)">%s</Group>%s'
    made.append(b"((?:%s)*)" % (group % (_BARE % 12, re.escape(end))))
    return re.compile(b"".join(made))


class Registers(NamedTuple):
    """A RegisterRead that fits a shape."""

    shape: RegisterShape
    groups: tuple[bytes, ...]


class Intervals(NamedTuple):
    """An IntervalRead that fits a shape; `first`: which run of the block its first one is."""

    shape: IntervalShape
    groups: tuple[bytes, ...]
    first: int


class Found(NamedTuple):
    """A meter that may be plain, or one that is not: then `head` is None."""

    start: int
    end: int
    head: tuple[bytes | None, ...] | None = None
    reads: tuple[Registers, ...] = ()
    intervals: tuple[Intervals, ...] = ()


@dataclass(slots=True)
class Taken:
    """Plain meters that follow one another. `meters`: empty if only counted."""

    numbers: list[bytes] = field(default_factory=list)
    read_ids: list[int] = field(default_factory=list)
    meters: list[MeterData] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)

    def add_run(self, lines: Lines, run: int) -> None:
        """A channel's intervals, but for their total."""
        add = self.counts.add
        add("ChannelCount")
        add("IntervalCount", lines.firsts[run + 1] - lines.firsts[run])
        add("EstimatedCount", lines.estimated[run])
        add("MissingCount", lines.missing[run])

    def add_registers(self, shape: RegisterShape, every: list[tuple[bytes, ...]]) -> None:
        """Reads of one shape."""
        for name, amount in shape.counts.items():
            self.counts.add(name, amount * len(every))
        for name, places in (
            ("EnergyControlTotal", shape.energy),
            ("DemandControlTotal", shape.demand),
        ):
            if places:
                columns = (map(itemgetter(place), every) for place in places)
                self.counts.sum(name, _sum(list(chain.from_iterable(columns))))
        self.read_ids += map(int, map(itemgetter(shape.head[b"id"]), every))


@dataclass(slots=True)
class Skimmer:
    """A document's bytes on their way to the parser.

    `zone`: the file's, once its header was read, else None. `take`: what to do with plain meters.
    `kept`: whether their data is wanted, or only counted.
    """

    zone: Callable[[], str | None]
    take: Callable[[Taken], None]
    kept: bool
    end: bytes = b"\r\n"
    spans: list[tuple[int, int]] = field(default_factory=list)
    times: Times = field(init=False)
    tails: Tails = field(init=False)
    shapes: Shapes = field(init=False)

    def sifted(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """What the parser has to see."""
        rest = b""
        while not (opening := _OPENING.search(rest)) and len(rest) < PROLOG:
            piece = next(pieces, b"")
            if not piece:
                break
            rest += piece
        root = _ROOT.match(rest)
        if opening and root and not _ODD.search(rest, root.end(), opening.start()):
            yield rest[: opening.end()]
            rest = rest[opening.end() :]
            zone = self.zone()
            if zone is not None:
                place, self.end = strictly(zone), root[1]
                self.times, self.tails = Times(place), Tails(place)
                self.shapes = Shapes(place, self.times)
                rest = yield from self._meters(rest, pieces)
        yield rest
        yield from pieces

    def _meters(self, rest: bytes, pieces: Iterator[bytes]) -> Generator[bytes, None, bytes]:
        """The meters, as long as they can be skimmed; returns what was read and not yielded."""
        close = b"\n    </Meter>" + self.end
        waiting, size = [rest], len(rest)
        for piece in chain(pieces, [b""]):
            waiting.append(piece)
            size += len(piece)
            if piece and size < BLOCK:
                continue
            rest = b"".join(waiting)
            cut = rest.rfind(close) + len(close)
            if cut < len(close):
                if size > LARGEST or not piece or b"\n  </Meters>" in rest:
                    break
                waiting = [rest]
                continue
            block, rest = rest[:cut], rest[cut:]
            waiting, size = [rest], len(rest)
            odd = yield from self._block(block)
            if odd:
                return odd + rest
        return rest

    # --- a block of whole meters ------------------------------------------------------------------
    def _block(self, block: bytes) -> Generator[bytes, None, bytes]:
        """Of a block of whole meters what the parser has to see; returns the rest from where there
        must be no more skimming."""
        self.spans = []
        found = list(self._found(block))
        returns = self.end == b"\r\n"
        lines = lines_read(block, self.spans, self.times, self.tails, returns)
        plain: list[Found] = []
        start = 0
        for meter in found:
            if meter.head is not None and self._fits(meter, lines):
                plain.append(meter)
                continue
            if plain:
                yield self._handed(block, start, meter.start, plain, lines)
            plain, start = [], meter.end
            if _ODD.search(block, meter.start, meter.end):
                return block[meter.start :]
            yield block[meter.start : meter.end]
        if plain:
            yield self._handed(block, start, len(block), plain, lines)
        return b""

    def _handed(
        self, block: bytes, start: int, end: int, plain: list[Found], lines: Lines
    ) -> bytes:
        """Plain meters handed on; the line breaks that stand for them."""
        self.shapes.tries = KINDS
        self.take(self._taken(plain, lines))
        return b"<!--%s-->" % (b"\n" * block.count(b"\n", start, end))

    def _found(self, block: bytes) -> Iterator[Found]:
        close, at = b"    </Meter>" + self.end, 0
        while at < len(block):
            meter = self._meter(block, at, close)
            if meter is None:
                after = block.find(b"\n" + close, max(0, at - 1))
                meter = Found(at, len(block) if after < 0 else after + 1 + len(close))
            yield meter
            at = meter.end

    def _meter(self, block: bytes, start: int, close: bytes) -> Found | None:
        """The meter that begins here, if its text may be plain."""
        head = _head(self.end).match(block, start)
        if head is None:
            return None
        at, runs = head.end(), len(self.spans)
        reads: list[Registers] = []
        intervals: list[Intervals] = []
        while not block.startswith(close, at):
            if block.startswith(REGISTER_READ, at) and not intervals:
                read = self._register_read(block, at)
                if read is None:
                    return None
                reads.append(Registers(read[0], read[1].groups()))
                at = read[1].end()
                continue
            run = self._interval_read(block, at)
            if run is None:
                del self.spans[runs:]
                return None
            shape, match = run
            intervals.append(Intervals(shape, match.groups(), len(self.spans)))
            self.spans += [match.span(slots.run + 1) for slots in shape.channels]
            at = match.end()
        return Found(start, at + len(close), head.groups(), tuple(reads), tuple(intervals))

    def _register_read(self, block: bytes, at: int) -> tuple[RegisterShape, Match] | None:
        shapes = self.shapes.registers
        found = _matched(shapes, block, at)
        if found is None:
            end = block.find(b"\n      </RegisterRead>" + self.end, at)
            self.shapes.register_learn(block[at : end + len(self.end) + 22])
            found = _matched(shapes[:1], block, at)
        return found

    def _interval_read(self, block: bytes, at: int) -> tuple[IntervalShape, Match] | None:
        shapes = self.shapes.intervals
        found = _matched(shapes, block, at)
        if found is None and block.startswith(INTERVAL_READ, at):
            end = block.find(b"\n      </IntervalRead>" + self.end, at)
            self.shapes.interval_learn(block[at : end + len(self.end) + 22])
            found = _matched(shapes[:1], block, at)
        return found

    # --- what has to agree ------------------------------------------------------------------------
    def _fits(self, meter: Found, lines: Lines) -> bool:
        times = self.times
        try:
            for reads in (meter.reads, meter.intervals):
                for shape, groups, *_ in reads:
                    for place in shape.times:
                        times[groups[place]]
        except Odd:
            return False
        return all(shape.falls(groups) for shape, groups in meter.reads if shape.falling) and all(
            self._run_fits(read, number, lines)
            for read in meter.intervals
            for number in range(len(read.shape.channels))
        )

    def _run_fits(self, read: Intervals, number: int, lines: Lines) -> bool:
        """SXM03 and SXM04 of a channel, and that its lines are plain."""
        slots, run = read.shape.channels[number], read.first + number
        column: Column | None = lines.columns[run]
        if column is None or int(read.groups[slots.count]) != len(column.ends):
            return False
        start, end = read.groups[slots.start], read.groups[slots.end]
        return column.fits(slots.channel.seconds, start, end, self.times)

    # --- what is said -----------------------------------------------------------------------------
    def _taken(self, plain: list[Found], lines: Lines) -> Taken:
        taken = Taken()
        registers: dict[int, tuple[RegisterShape, list[tuple[bytes, ...]]]] = {}
        total = 0
        for meter in plain:
            head: Any = meter.head
            taken.numbers.append(head[1])
            for shape, groups in meter.reads:
                registers.setdefault(id(shape), (shape, []))[1].append(groups)
            for read in meter.intervals:
                for run in range(read.first, read.first + len(read.shape.channels)):
                    taken.add_run(lines, run)
                    total += lines.totals[run]
        taken.counts.sum("IntervalControlTotal", Decimal(total).scaleb(-DECIMALS))
        taken.counts.add("MeterCount", len(plain))
        for shape, every in registers.values():
            taken.add_registers(shape, every)
        if self.kept:
            taken.meters += [self._data(meter, lines) for meter in plain]
        return taken

    def _data(self, meter: Found, lines: Lines) -> MeterData:
        head: Any = meter.head
        *identifiers, device_class, groups = [(text or b"").decode() for text in head]
        found = _GROUP.findall(groups)
        info = DeviceInfo(
            **dict(zip(IDENTITY, identifiers, strict=True)),
            device_class=device_class,
            time_zone="",
            groups=tuple(code for kind, code in found if kind == "General"),
            bill_cycle=next((code for kind, code in found if kind == "BillCycle"), ""),
        )
        reads = tuple(shape.read(groups, self.times) for shape, groups in meter.reads)
        series = tuple(
            _series(slots, read.groups, lines, run)
            for read in meter.intervals
            for run, slots in enumerate(read.shape.channels, read.first)
        )
        return MeterData(info, series, reads)


def _series(
    slots: ChannelSlots, groups: tuple[bytes, ...], lines: Lines, run: int
) -> IntervalSeries:
    span = slice(lines.firsts[run], lines.firsts[run + 1])
    column: Any = lines.columns[run]
    start, end = (
        None if group is None else Decimal(groups[group].decode()) for group in slots.registers
    )
    channel = slots.of(lines.decimals[run])
    return IntervalSeries(channel, column.ends, lines.counts[span], lines.masks[span], start, end)


def _matched(shapes: list[AnyShape], block: bytes, at: int) -> tuple[AnyShape, Match] | None:
    """The shape that fits here; it is asked first the next time."""
    for place, shape in enumerate(shapes):
        match = shape.pattern.match(block, at)
        if match is not None:
            if place:
                shapes.insert(0, shapes.pop(place))
            return shape, match
    return None


def _sum(texts: list[bytes]) -> Decimal:
    """What numbers add up to."""
    counts = counts_joined(b"\n".join(texts))
    if counts is None:
        return sum((Decimal(text.decode()) for text in texts), Decimal(0))
    return Decimal(sum(counts.tolist())).scaleb(-UNIT_DECIMALS)
