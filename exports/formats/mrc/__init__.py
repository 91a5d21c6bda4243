"""MRC, Message Routing Component export: one fixed record of 320 characters for each event.

Specification: formats/mrc.md. The file is appended to while events arrive (`events.mrc`); what a
run writes is a copy of stored records, with their own sequences. Deviations: none known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO

from devices.readings import Frame, MeterData
from exports.formats.base import Format, FormatError, Inventory, Option, Tally, WriteContext
from exports.formats.issues import ReadReport
from exports.formats.mrc.reader import Reading, Recorded, recorded
from exports.formats.mrc.record import (
    DURATION_MAX,
    LENGTH,
    LINE_ENDS,
    OMS_WORDS,
    OTHER,
    RECORD,
    SEQUENCE_MAX,
    Message,
    body,
    body_declared,
    record,
    sequence_of,
)

__all__ = [
    "DURATION_MAX",
    "LENGTH",
    "LINE_ENDS",
    "OMS_WORDS",
    "OTHER",
    "RECORD",
    "SEQUENCE_MAX",
    "Message",
    "Mrc",
    "Recorded",
    "body",
    "body_declared",
    "record",
    "recorded",
    "sequence_of",
]


class Mrc(Format):
    """The event format. A file is read record by record; each is a meter with one event."""

    code = "mrc"
    label = "Message Routing Component export"
    extension = "dat"
    events = True
    defined = False
    default_name = "MRC_{route}.dat"
    empty = "none"
    options = (
        Option("line_end", "choice", "CRLF", "what ends a record", choices=tuple(LINE_ENDS)),
        Option("route", "text", "", "message route whose records are written", maximum=30),
        Option("zone", "zone", "UTC", "zone of times without an offset", use="read"),
        Option(
            *("after", "integer", 0, "resume: records up to this sequence are known"),
            use="read",
            minimum=0,
            maximum=SEQUENCE_MAX,
        ),
    )
    layouts = (RECORD,)

    def order(self, options: Mapping[str, Any]) -> str:
        """Read devices are known by their device id; written records go by their sequence."""
        return "device_id"

    def frame(self, lines: Iterable[bytes]) -> Frame:
        """Stored records as a frame to be written, a device each."""
        found = [recorded(line) for line in lines]
        return Frame([device for device, _ in found], events=dict(enumerate([e] for _, e in found)))

    def write_frame(self, frame: Frame, ctx: WriteContext, out: BinaryIO, tally: Tally) -> None:
        """The records of a frame, by sequence, as they were first written."""
        rows: list[Recorded] = []
        for index, events in frame.events.items():
            for event in events:
                if not isinstance(event, Recorded):
                    meter = frame.devices[index].meter_number
                    text = "an event without a record of a route"
                    raise FormatError("MRC05", text, format=self.code, meter=meter)
                rows.append(event)
        rows.sort(key=lambda row: row.sequence)
        end = LINE_ENDS[ctx.options["line_end"]]
        out.write(b"".join(row.line + end for row in rows))
        tally.records += len(rows)
        tally.meters += len(frame.events)

    def read_meters(
        self,
        stream: BinaryIO,
        options: Mapping[str, Any],
        inventory: Inventory | None,
        report: ReadReport,
    ) -> Iterator[MeterData]:
        yield from Reading(report, options["zone"], options["after"]).meters(stream)
