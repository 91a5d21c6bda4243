"""Reading MRC records back: alone, or as a file, torn or continued (formats/mrc.md 4)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timezone
from typing import Any, BinaryIO, cast

from devices.readings import DeviceInfo, Event, MeterData
from exports.formats.issues import ReadReport
from exports.formats.mrc.record import LENGTH, RECORD, START, VERSION
from exports.formats.text import TextLine, text_lines
from exports.formats.zones import local_instants


@dataclass(frozen=True, slots=True)
class Recorded(Event):
    """An event with the record that it stands in. `line`: its 320 characters, as stored or read."""

    sequence: int = 0
    state: str = ""
    oms: str = ""
    group: str = ""
    replay: str = ""
    line: bytes = b""


def recorded(line: bytes, zone: str = "UTC") -> tuple[DeviceInfo, Recorded]:
    """Device and event of a record; ValueError names the field that cannot be read.

    `zone` is that of times without an offset.
    """
    line = line.ljust(LENGTH)
    got = RECORD.get(line)
    device = DeviceInfo(
        got["device id"],
        got["meter number"],
        service_point_id=got["service point id"],
        transformer_id=got["transformer id"],
        feeder_id=got["feeder id"],
    )
    return device, Recorded(
        code=got["mnemonic"],
        time=_instant(got, "event", zone),
        event_id=str(got["event id"]),
        origin=got["origin"],
        native="" if got["native code"] is None else f"{got['native code']}",
        phases=got["phases"],
        value=got["value"],
        unit=got["value unit"],
        duration=got["duration"],
        text=got["text"],
        received=_instant(got, "received", zone),
        iec=got["iec code"],
        category=got["category"],
        severity=got["severity"],
        sequence=got["sequence"],
        state=got["state"],
        oms=got["oms event type"],
        group=got["functional group"],
        replay=got["replay flag"],
        line=line,
    )


def _instant(got: Mapping[str, Any], name: str, zone: str) -> datetime | None:
    local, offset = got[f"{name} time"], got[f"{name} offset"]
    if local is None:
        return None
    if offset is not None:
        return cast(datetime, local).replace(tzinfo=timezone(offset))
    found = local_instants(zone, local)
    if not found:
        raise ValueError(f"{RECORD.name}.{name} time: {local} does not exist in {zone}")
    return datetime.fromtimestamp(found[0], UTC)


class _Ends:
    """A stream that remembers whether its last byte ended a line."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.ended = True

    def read(self, size: int = -1) -> bytes:
        data = self.stream.read(size)
        if data:
            self.ended = data.endswith((b"\n", b"\r"))
        return data


class Reading:
    """One file read from its beginning; `after` is the last sequence known from earlier ones."""

    def __init__(self, report: ReadReport, zone: str, after: int) -> None:
        self.report = report
        self.zone = zone
        self.last = after
        self.before = b""  # the line before

    def meters(self, stream: BinaryIO) -> Iterator[MeterData]:
        """Each good, new record as a meter with one event."""
        ends = _Ends(stream)
        newest: TextLine | None = None  # torn only if it is the last one
        for line in text_lines(cast(BinaryIO, ends), self.report):
            if newest is not None:
                yield from self._line(newest)
            newest = line if line.text.strip() else None
        if newest is None:
            return
        if not ends.ended and len(newest.text) < LENGTH:
            text = f"torn last line of {len(newest.text)} characters; left for the next reading"
            self.report.warn("MRW01", text, record=newest.number, offset=newest.offset)
            return
        yield from self._line(newest)

    def _line(self, line: TextLine) -> Iterator[MeterData]:
        report, number, offset = self.report, line.number, line.offset
        report.records += 1
        text = line.text.ljust(LENGTH)
        if text.startswith(START) and text[3:5] != VERSION:
            version = text[3:5].decode("latin-1")
            report.error("MRE02", f"layout version {version!r}", record=number, offset=offset)
            return
        try:
            device, event = recorded(text, self.zone)
        except ValueError as error:
            report.error("MRE01", str(error), record=number, offset=offset)
            return
        if self._is_next(event.sequence, text, line):
            self.last, self.before = event.sequence, text
            yield MeterData(device, events=(event,))

    def _is_next(self, sequence: int, text: bytes, line: TextLine) -> bool:
        """Whether a record goes on from the last one; if not, or not at once, says why."""
        report, number, offset, last = self.report, line.number, line.offset, self.last
        if text == self.before or (not self.before and sequence == last):
            report.warn("MRW03", f"{sequence} once more; dropped", record=number, offset=offset)
            return False
        if sequence <= last:
            if self.before:
                message = f"sequence {sequence} after {last}"
                report.error("MRE03", message, record=number, offset=offset)
            return False  # without a line before it is what an earlier reading took
        if last and sequence > last + 1:
            message = f"{sequence - last - 1} records lost"
            report.warn("MRW02", message, record=number, offset=offset)
        return True
