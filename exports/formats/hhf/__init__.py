"""HHF-X1: handheld reader files in OUR layout. NOT ITRON'S, whose layout is not public.

A file in this layout does not load into MV-90, MV-90 xi or IEE; its signature HHFX0001 makes it
impossible to mistake for the real thing. Interval data, start and stop readings, register totals
and events. Tables are in hhf/tables.py and records216.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Literal

from devices.readings import DeviceInfo, Frame, MeterData
from exports.formats.base import Inventory, Options, ReadReport, Table, Tally, WriteContext
from exports.formats.hhf.book import HhfBook, pulse_multipliers
from exports.formats.hhf.documentation import documentation
from exports.formats.hhf.entries import types_check
from exports.formats.hhf.reader import Reader
from exports.formats.hhf.tables import (
    CHANNEL_HEADER,
    EVENT,
    EVENTS_RECORD,
    FILE,
    LABEL,
    METER_HEADER,
    MOST,
    OPTIONS,
    REGISTER,
    REGISTERS_RECORD,
)
from exports.formats.records216.base import Records216
from exports.formats.records216.finish import (
    clash_check,
    offset_of,
    records_verify,
    trailer_write,
)
from exports.formats.records216.layouts import CELL, HEADER, INTERVALS, METER, PULSE_CELL, TRAILER
from exports.formats.records216.writer import FrameWriter
from exports.formats.zones import standard_offset, year_of


class Hhf(Records216):
    code = "hhf"
    label = LABEL
    extension = "hhx"
    events = True
    counts_first = True
    default_name = "HHFX_{export}_{batch}.hhx"
    options = OPTIONS
    layouts = (
        *(FILE, METER_HEADER, CHANNEL_HEADER, INTERVALS, CELL, PULSE_CELL),
        *(REGISTERS_RECORD, REGISTER, EVENTS_RECORD, EVENT, TRAILER),
    )

    def options_clean(
        self, given: Mapping[str, object], use: Literal["write", "read"] | None = None
    ) -> Options:
        clean = super().options_clean(given, use)
        if use != "read":
            pulse_multipliers(clean["pulse_multipliers"])
            types_check(clean["read_types"])
        return clean

    def order(self, options: Mapping[str, Any]) -> str:
        return "device_id"

    def wants_registers(self, options: Mapping[str, Any]) -> bool:
        """Always: channel headers have start and stop readings."""
        return True

    def wants_events(self, options: Mapping[str, Any]) -> bool:
        return bool(options["events"])

    def wants_arrivals(self, options: Mapping[str, Any]) -> bool:
        """For the time of read."""
        return True

    def splits(self, options: Mapping[str, Any]) -> bool:
        return True

    def file_key(self, device: DeviceInfo, ctx: WriteContext) -> str:
        """The standard offset of the period's beginning, in minutes."""
        start = int(ctx.start.timestamp())
        return f"{standard_offset(device.time_zone, year_of(start)) // 60:+05}"

    def meters_a_file(self, options: Mapping[str, Any]) -> int | None:
        return MOST

    def tables(self) -> dict[str, Table]:
        return super().tables() | documentation()

    def begin(self, ctx: WriteContext, out: BinaryIO, tally: Tally) -> None:
        """The file header; nothing for no meter."""
        if not tally.meters:
            return
        book = HhfBook(ctx)
        if tally.meters > MOST:
            raise book.refusal("records", what=f"{tally.meters} meters").at(format=self.code)
        offset = offset_of(book, tally)
        routes = [name[6:] for name in tally.totals if name.startswith("route ")]
        options = ctx.options
        tally.records += 1
        out.write(
            FILE.put(
                {
                    "created": int(ctx.created.timestamp()) + offset,
                    "system": options["producing_system"] or ctx.sender,
                    "reader": options["reader_id"] or "",
                    "route": options["route"] or (routes[0] if len(routes) == 1 else ""),
                    "meters": tally.meters,
                    "offset": offset // 60,
                    "daylight": "N",
                    "value_kind": options["value_kind"],
                }
            )
        )

    def write_frame(self, frame: Frame, ctx: WriteContext, out: BinaryIO, tally: Tally) -> None:
        FrameWriter(frame, HhfBook(ctx), tally).write(out)

    def finish(self, ctx: WriteContext, out: BinaryIO, tally: Tally) -> None:
        """The trailer. What only the whole file shows is refused here."""
        if tally.meters:
            book = HhfBook(ctx)
            clash_check(book, tally)
            trailer_write(out, ctx, offset_of(book, tally), tally)

    def verify(self, stream: BinaryIO, ctx: WriteContext) -> list[str]:
        return records_verify(stream, HEADER, (HEADER, METER))

    def read_meters(
        self,
        stream: BinaryIO,
        options: Mapping[str, Any],
        inventory: Inventory | None,
        report: ReadReport,
    ) -> Iterator[MeterData]:
        return Reader(options, inventory, report).read(stream)
