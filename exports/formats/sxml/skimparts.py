"""RegisterRead and IntervalRead by example: what one says, others of the same text say, too.

The first of its kind is held against the schema and read by the parser's own functions, each word
of it. A pattern is made of its text, open where values, instants, numbers and lines of intervals
stand, each for texts that its type allows. What matches it differs in these alone; what they have
to agree with is looked at where they are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any, NamedTuple

from lxml import etree
from msgspec import structs

from devices.readings import Channel, RegisterRead, RegisterValue
from exports.formats.sxml import schema
from exports.formats.sxml.channels import channel_read
from exports.formats.sxml.parse import PREFIX, Place, Wrong, attributes, read_read, register_read
from exports.formats.sxml.skimlines import Odd, Times, strictly
from exports.formats.sxml.tables import INTERVAL_READ, NAMESPACE

KINDS = 32  # shapes that are told apart; others are left to the parser
HEAD = (
    b'<Meter xmlns="%s"><Identity><DeviceID>0</DeviceID><MeterNumber>0</MeterNumber></Identity>'
    % NAMESPACE.encode()
)
NUMBER = rb"-?[0-9]{1,12}(?:\.[0-9]{1,6})?"
INSTANT = rb'[^"]{20,25}'  # each is proven by Times
COUNT, RESETS = rb"[0-9]{1,20}", rb"[0-9]{1,5}"
RUN = rb"[^C]+"  # up to the end of its Channel; each line is looked at then
OPEN = {
    **dict.fromkeys((b"time", b"received", b"resetTime", b"start", b"end"), INSTANT),
    **dict.fromkeys((b"id", b"count"), COUNT),
    b"resetCount": RESETS,
}
TEXTS = (b"Value", b"Peak", b"StartRegister", b"EndRegister")
_TOKEN = re.compile(
    rb'<(?P<element>Register|Channel) |(?<= )(?P<name>%s)="(?P<value>[^"]*)"'
    rb"|(?P<run>(?<=\n)(?: {10}<I [^<>]*/>\r?\n)+)|(?<=>)(?P<text>[^<>\s]+)</(?P<holder>%s)>"
    % (b"|".join(OPEN), b"|".join(TEXTS))
)


_ODD = re.compile(rb"[&']|<[!?]|xmlns|\r(?!\n)")


class Slot(NamedTuple):
    """An open place: which Register or Channel it is in (from 0 on; −1: in none), what it is, the
    number of its group. A peak that repeats its register's value shares its group."""

    owner: int
    name: bytes
    group: int


class ValueSlots(NamedTuple):
    """A register value of the example, and the groups of its value and its peak time."""

    example: RegisterValue
    value: int | None
    time: int | None

    def made(self, groups: Sequence[bytes], times: Times) -> RegisterValue:
        """The same with other texts."""
        value = None if self.value is None else Decimal(groups[self.value].decode())
        peak = None if self.time is None else _instant(times[groups[self.time]])
        return structs.replace(self.example, value=value, peak_time=peak)


@dataclass(slots=True)
class RegisterShape:
    """RegisterReads of one text. `counts`: what each adds to Trailer."""

    pattern: re.Pattern[bytes]
    example: RegisterRead
    head: dict[bytes, int]
    values: list[ValueSlots]
    counts: dict[str, int]
    times: list[int]  # groups
    energy: list[int] = field(default_factory=list)
    demand: list[int] = field(default_factory=list)
    falling: list[tuple[int, ...]] = field(default_factory=list)  # peaks of one register

    def falls(self, groups: Sequence[bytes]) -> bool:
        """Whether the peaks of each register descend (SXM02)."""
        for places in self.falling:
            amounts = [Decimal(groups[place].decode()) for place in places]
            if any(later > earlier for earlier, later in pairwise(amounts)):
                return False
        return True

    def read(self, groups: Sequence[bytes], times: Times) -> RegisterRead:
        """The read of such a text."""
        head = self.head
        resets, reset = head.get(b"resetCount"), head.get(b"resetTime")
        return RegisterRead(
            time=_instant(times[groups[head[b"time"]]]),
            read_type=self.example.read_type,
            values=tuple(value.made(groups, times) for value in self.values),
            season=self.example.season,
            reset_count=None if resets is None else int(groups[resets]),
            reset_time=None if reset is None else _instant(times[groups[reset]]),
            status_word=self.example.status_word,
            source=self.example.source,
            received=_instant(times[groups[head[b"received"]]]),
            read_id=str(int(groups[head[b"id"]])),
        )


@dataclass(slots=True)
class ChannelSlots:
    """A Channel of the example, and the groups of what is open in it."""

    channel: Channel
    start: int
    end: int
    count: int
    run: int
    registers: tuple[int | None, int | None]
    resolutions: dict[int, Channel] = field(default_factory=dict)

    def of(self, decimals: int) -> Channel:
        """The channel with the resolution of so many decimals."""
        found = self.resolutions.get(decimals)
        if found is None:
            resolution = Decimal(1).scaleb(-decimals)
            found = self.resolutions[decimals] = self.channel._replace(resolution=resolution)
        return found


@dataclass(slots=True)
class IntervalShape:
    """IntervalReads of one text."""

    pattern: re.Pattern[bytes]
    channels: list[ChannelSlots]
    times: list[int]


class Shapes:
    """The shapes met so far, the last one first."""

    def __init__(self, place: Place, times: Times) -> None:
        self.place = place
        self.times = times
        self.registers: list[RegisterShape] = []
        self.intervals: list[IntervalShape] = []
        self.tries = KINDS  # examples that may still fail

    def register_learn(self, text: bytes) -> None:
        """Make a shape of a RegisterRead, if it is plain."""
        self._learn(text, self._register_shape, self.registers)

    def interval_learn(self, text: bytes) -> None:
        """Make a shape of an IntervalRead, if it is plain."""
        self._learn(text, self._interval_shape, self.intervals)

    def _learn(self, text: bytes, make: Any, shapes: list[Any]) -> None:
        if self.tries <= 0:
            return
        del shapes[KINDS - 1 :]
        try:
            if _ODD.search(text):
                raise Odd
            shapes.insert(0, make(text, _example(text)))
        except (Odd, Wrong, KeyError, ValueError, etree.XMLSyntaxError):
            self.tries -= 1

    def _register_shape(self, text: bytes, element: Any) -> RegisterShape:
        place = strictly(self.place.zone)
        read = read_read(element, place)
        counts = dict(place.counts.counts)
        pattern, slots = _pattern(text)
        shape = RegisterShape(
            pattern, read, _named(slots, -1), [], counts,
            [slot.group for slot in slots if OPEN.get(slot.name) is INSTANT],
        )  # fmt: skip
        for number, register in enumerate(element):
            self._register(shape, register_read(register, place), slots, number)
        match = pattern.fullmatch(text)
        if match is None or shape.read(match.groups(), self.times) != read:
            raise Odd
        if not shape.falls(match.groups()):
            raise Odd
        return shape

    def _register(
        self, shape: RegisterShape, values: list[RegisterValue], slots: list[Slot], number: int
    ) -> None:
        own = [slot for slot in slots if slot.owner == number]
        amount = _named(own, number).get(b"Value")
        first = values[0]
        peaks: list[tuple[int, int | None]] = []
        time: int | None = None
        for slot in own:
            if slot.name == b"time":
                time = slot.group
            elif slot.name == b"Peak":
                peaks.append((slot.group, time))
                time = None
        if (amount is None) is not (first.value is None) or len(values) != max(1, len(peaks)):
            raise Odd
        pairs: Sequence[tuple[int | None, int | None]] = peaks or [(amount, None)]
        shape.values += [
            ValueSlots(value, *pair) for value, pair in zip(values, pairs, strict=True)
        ]
        if amount is not None and first.register_class in ("SUM", "MAX"):
            (shape.energy if first.register_class == "SUM" else shape.demand).append(amount)
        if len(peaks) > 1:
            shape.falling.append(tuple(group for group, _ in peaks))
        if peaks and peaks[0][0] != amount:
            raise Odd  # not written as its register's value is

    def _interval_shape(self, text: bytes, element: Any) -> IntervalShape:
        pattern, slots = _pattern(text)
        attributes(element, INTERVAL_READ, strictly(self.place.zone))
        channels = []
        for number, child in enumerate(element):
            series = channel_read(child, strictly(self.place.zone))
            own = _named(slots, number)
            registers = own.get(b"StartRegister"), own.get(b"EndRegister")
            given = series.start_register, series.end_register
            if [group is None for group in registers] != [value is None for value in given]:
                raise Odd
            start, end, count, run = (own[name] for name in (b"start", b"end", b"count", b"run"))
            channels.append(ChannelSlots(series.channel, start, end, count, run, registers))
        runs = sum(slot.name == b"run" for slot in slots)
        if runs != len(channels) or pattern.fullmatch(text) is None:
            raise Odd
        times = [
            slot.group
            for slot in slots
            if OPEN.get(slot.name) is INSTANT and slot.name not in (b"start", b"end")
        ]
        return IntervalShape(pattern, channels, times)


def _example(text: bytes) -> Any:
    """The element of a text, valid by the schema."""
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
    )
    meter = etree.fromstring(HEAD + text + b"</Meter>", parser)
    if len(meter) != 2 or any(schema.part_faults(meter)):
        raise Odd
    element = meter[1]
    if element.tag not in (PREFIX + "RegisterRead", PREFIX + "IntervalRead"):
        raise Odd
    return element


def _pattern(text: bytes) -> tuple[re.Pattern[bytes], list[Slot]]:
    """The pattern of a valid element's text, and what its groups hold."""
    made, slots = [], []
    for fixed, slot, kind in _parts(text):
        if b"<I" in fixed.replace(b"<IntervalRead", b""):
            raise Odd
        made += [re.escape(fixed), kind]
        slots += [slot] if slot else []
    return re.compile(b"".join(made)), slots


def _parts(text: bytes) -> Iterator[tuple[bytes, Slot | None, bytes]]:
    """Each fixed text, the open place behind it, and the pattern of that."""
    last, owner, group, value = 0, -1, 0, (b"", 0)
    for token in _TOKEN.finditer(text):
        if token["element"]:
            owner += 1
            continue
        kind = next(name for name in ("value", "run", "text") if token[name] is not None)
        fixed = text[last : token.start(kind)]
        last = token.end(kind)
        name = token["name"] or token["holder"] or b"run"
        if name == b"Peak" and token["text"] == value[0]:
            yield fixed, Slot(owner, name, value[1]), b"(?P=g%d)" % value[1]
            value = (b"", 0)
            continue
        allowed = {"run": RUN, "text": NUMBER}.get(kind) or OPEN[name]
        if name in (b"Value", b"Peak"):
            value = (token["text"], group) if name == b"Value" else (b"", 0)
        yield fixed, Slot(owner, name, group), b"(?P<g%d>%s)" % (group, allowed)
        group += 1
    yield text[last:], None, b""


def _named(slots: Sequence[Slot], owner: int) -> dict[bytes, int]:
    """The groups of an element's open places by name."""
    return {slot.name: slot.group for slot in slots if slot.owner == owner}


def _instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
