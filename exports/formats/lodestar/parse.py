"""One cut read: its header records checked, its span told, its triplets as arrays (section 6)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar

import numpy as np

from devices.readings import INTERVAL_SECONDS
from exports.formats.lodestar.plain import CODE_SIZE, Whole
from exports.formats.lodestar.tables import (
    DAILY,
    FIRST_RECORD,
    HEADER_1,
    HEADER_2,
    HEADERS,
    INTERVALS,
    VALUE_DECIMALS,
)
from exports.formats.lodestar.texts import (
    WRITTEN,
    Counts,
    CutError,
    Remark,
    Statuses,
    Values,
    values_of,
)
from exports.formats.text import TextLine

PRINTABLE = bytes(range(0x20, 0x7F))
CODES = tuple(header.name.encode() for header in HEADERS)
STAMP = HEADER_1.column("start")
CODE = INTERVALS.columns[0]
NEEDED = (5, 9, 1, 1)  # fields of each header record that must be there
T = TypeVar("T")


class Channel(NamedTuple):
    """What header 2 says; its text is looked at once."""

    start_reading: Decimal | None
    stop_reading: Decimal | None
    multiplier: Decimal | None
    seconds: int
    unit: str
    zone_offset: bytes  # looked at only where the zone's name does not help
    zone_name: str
    remarks: tuple[Remark, ...]


class Parsed(NamedTuple):
    """A cut before its place in time is known; `starts`: start members that were given."""

    recorder: str
    number: str
    start: datetime
    stop: datetime
    prevailing: bool
    invalid: bool
    channel: Channel
    values: Values
    starts: Sequence[tuple[int, int, datetime]]  # interval's place, line's place, local time
    remarks: list[Remark]


class Triplets(NamedTuple):
    """The members of a cut's interval records; given starts as (interval, line, text).

    `firsts`: the first interval of each record.
    """

    values: list[bytes]
    statuses: list[bytes]
    starts: list[tuple[int, int, bytes]]
    firsts: list[int]

    def line(self, interval: int) -> int:
        """The place in the cut of an interval's record."""
        return len(CODES) + bisect_right(self.firsts, interval) - 1


@dataclass(slots=True)
class Parser:
    """Cuts by the reader's options."""

    options: Mapping[str, Any]
    counts: tuple[Counts, ...] = field(init=False)
    statuses: Statuses = field(init=False)
    channels: dict[bytes, Channel] = field(default_factory=dict)
    stamps: dict[bytes, datetime] = field(default_factory=dict)
    cuts: dict[tuple[bytes, bytes, bytes], Parsed] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.statuses = Statuses(self.options)
        self.counts = (Counts(WRITTEN), Counts(VALUE_DECIMALS))

    def parse(self, lines: Sequence[TextLine]) -> Parsed:
        """The cut of these records; CutError if it is refused."""
        for place, line in enumerate(lines):
            if line.plain is None and line.text.translate(None, PRINTABLE):
                raise CutError("LSR06", line=place)
        heads = _heads(lines)
        remarks: list[Remark] = []
        one = heads[0]
        recorder, number = one[1].decode(), one[2].decode()
        start, stop = self._stamp(one[3], "start", 0), self._stamp(one[4], "stop", 0)
        prevailing = self._participant(one[5:6], remarks)
        invalid = self._invalid(one[6:7], remarks)
        channel = self._channel(lines[1].text, heads[1])
        remarks += channel.remarks
        stamp = heads[3][1:2]
        if stamp and stamp[0]:
            self._stamp(stamp[0], "time_stamp", 3)
        head = (recorder, number, start, stop, prevailing, invalid, channel)
        if all(line.plain for line in lines[len(CODES) :]) and len(lines) > len(CODES):
            return Parsed(*head, _plain_values(lines, remarks), [], remarks)
        triplets = _triplets(lines, remarks)
        try:
            values = values_of(triplets.values, triplets.statuses, self.counts, self.statuses)
        except CutError as error:
            error.line = triplets.line(error.line)
            raise
        remarks += [r._replace(line=triplets.line(r.line)) for r in values.remarks]
        starts = [(n, line, self._stamp(text, "start", line)) for n, line, text in triplets.starts]
        return Parsed(*head, values, starts, remarks)

    def whole(self, cut: Whole) -> Parsed:
        """The same of a plain cut; what its header records say is looked at once."""
        recorder, key, descriptor = cut.texts()
        known = self.cuts.get(key)
        if known is None or (recorder + descriptor).translate(None, PRINTABLE):
            known = self.parse([cut.line(place) for place in range(cut.last - cut.first)])
            if not (known.remarks or known.starts) and len(self.cuts) < 1 << 12:
                self.cuts[key] = known
            return known
        values = Values(*cut.members(), WRITTEN, ())
        return Parsed(recorder.decode(), *known[1:7], values, (), [])

    def _stamp(self, text: bytes, name: str, line: int) -> datetime:
        known = self.stamps.get(text)
        if known is None:
            known = got(name, line, STAMP.get, text)
            if len(self.stamps) < 1 << 16:
                self.stamps[text] = known
        return known

    def _participant(self, found: Sequence[bytes], remarks: list[Remark]) -> bool:
        flag = found[0] if found else b""
        if flag not in (b"Y", b"N"):
            remarks.append(Remark.of("LSR62", "dst_participant", found=flag.decode()))
        return flag != b"N"

    def _invalid(self, found: Sequence[bytes], remarks: list[Remark]) -> bool:
        flag = found[0] if found else b""
        if flag not in (b"Y", b"N", b""):
            remarks.append(Remark.of("LSR63", "invalid", found=flag.decode()))
        return flag not in (b"N", b"")

    def _channel(self, text: bytes, fields: Sequence[bytes]) -> Channel:
        known = self.channels.get(text)
        if known is None:
            known = _channel_of(fields)
            if len(self.channels) < 1 << 12:
                self.channels[text] = known
        return known


def _heads(lines: Sequence[TextLine]) -> list[list[bytes]]:
    """The fields of the four header records; LSR02, LSR04."""
    heads = []
    for place, wanted in enumerate(CODES):
        fields = lines[place].text.split(b",") if place < len(lines) else [b""]
        if fields[0] != wanted:
            line = min(place, len(lines) - 1)
            found = fields[0].decode()
            raise CutError("LSR02", "sort_code", line, found=found, wanted=wanted.decode())
        if len(fields) < NEEDED[place]:
            raise CutError("LSR04", line=place, count=len(fields), wanted=NEEDED[place])
        heads.append(fields)
    return heads


def _channel_of(fields: Sequence[bytes]) -> Channel:
    """Header 2; missing fields are empty, more than 14 are ignored."""
    columns = HEADER_2.columns
    given = [*fields[: len(columns)], *[b""] * (len(columns) - len(fields))]
    found = {
        column.name: got(column.name, 1, column.get, text)
        for column, text in zip(columns, given, strict=True)
        if column.name not in ("seconds", "zone_offset")
    }
    seconds = got("seconds", 1, HEADER_2.column("seconds").get, given[7])
    if seconds not in INTERVAL_SECONDS or seconds == DAILY:
        raise CutError("FMT17", "seconds", 1, seconds=seconds)
    remarks = []
    if len(fields) != len(columns):
        remarks.append(Remark.of("LSR51", line=1, count=len(fields)))
    if found["pulse_multiplier"] not in (None, 1) or found["pulse_offset"] not in (None, 0):
        remarks.append(Remark.of("LSR60", "pulse_multiplier", 1))
    return Channel(
        found["start_reading"],
        found["stop_reading"],
        found["multiplier"],
        seconds,
        found["unit"],
        given[10],
        found["zone_name"],
        tuple(remarks),
    )


def _plain_values(lines: Sequence[TextLine], remarks: list[Remark]) -> Values:
    """The triplets of a cut whose interval records are plain; LSR03, LSR07."""
    before = FIRST_RECORD - 1
    for place in range(len(CODES), len(lines)):
        before = _follows(lines[place].text[:CODE_SIZE], place, before, remarks)
    members = [line.plain for line in lines[len(CODES) :]]
    counts, masks = members[0]
    if len(members) > 1:
        counts, masks = (np.concatenate(parts) for parts in zip(*members, strict=True))
    return Values(counts, masks, WRITTEN, ())


def _follows(code: bytes, place: int, before: int, remarks: list[Remark]) -> int:
    """The number of an interval record; LSR03, LSR07."""
    number = _code(code, place)
    if number <= before:
        raise CutError("LSR07", "sort_code", place, found=number, before=before)
    if number != before + 1:
        remarks.append(Remark.of("LSR57", "sort_code", place, found=number, before=before))
    return number


def _triplets(lines: Sequence[TextLine], remarks: list[Remark]) -> Triplets:
    """All triplets of a cut; LSR03, LSR05, LSR07, LSR08."""
    found = Triplets([], [], [], [])
    before = FIRST_RECORD - 1
    for place in range(len(CODES), len(lines)):
        code, *members = lines[place].text.split(b",")
        before = _follows(code, place, before, remarks)
        _whole(members, place, remarks)
        starts = members[2::3]
        if starts.count(b"") != len(starts):
            done = len(found.values)
            given = ((done + n, place, text) for n, text in enumerate(starts) if text)
            found.starts.extend(given)
        found.firsts.append(len(found.values))
        found.values.extend(members[0::3])
        found.statuses.extend(members[1::3])
    return found


def _code(text: bytes, place: int) -> int:
    if text in CODES:
        wanted = "1xxxxxxx"
        raise CutError("LSR02", "sort_code", place, found=text.decode(), wanted=wanted)
    try:
        number: int = CODE.get(text)
    except ValueError as error:
        raise CutError("LSR03", "sort_code", place, found=text.decode()) from error
    return number


def _whole(members: list[bytes], place: int, remarks: list[Remark]) -> None:
    """Makes the members of a record whole triplets, where a comma is missing or too many."""
    rest = len(members) % 3
    if rest == 2:
        remarks.append(Remark.of("LSR54", line=place))
        members.append(b"")
    elif rest == 1:
        if members.pop():
            raise CutError("LSR08", line=place, count=len(members) + 1)
        remarks.append(Remark.of("LSR55", line=place))


def got(name: str, line: int, get: Callable[..., T], *arguments: object) -> T:
    """What `get` gives; a ValueError becomes the cut's error in this column."""
    try:
        return get(*arguments)
    except ValueError as error:
        raise CutError("LSR05", name, line, why=str(error)) from error
