"""IDF: Itron Delimited Format, register data.

A header with the count, a line a register value, a blank line. Field order, header word and
interface name are options of the export definition. Layout, words and options: tables.py.

Known deviations: what a meter or read does not tell is written as decision 0075 has it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Literal

from devices.readings import Frame, MeterData
from exports.formats.base import Format, Inventory, OptionError, Options, ReadReport, Table
from exports.formats.context import Tally, WriteContext
from exports.formats.idf.documentation import documentation
from exports.formats.idf.reader import Reader
from exports.formats.idf.tables import DETAIL, HEADER, MOST_LINES, OPTIONS, fields_order, idf
from exports.formats.idf.writer import IdfWriter
from exports.formats.registers import LINE_ENDS
from exports.formats.zones import zone_of


class Idf(Format):
    code = "idf"
    label = "Itron Delimited Format (register data)"
    extension = "idf"
    registers = True
    counts_first = True
    states_device = True
    options = OPTIONS
    layouts = (HEADER, DETAIL)

    def options_clean(
        self, given: Mapping[str, object], use: Literal["write", "read"] | None = None
    ) -> Options:
        options = super().options_clean(given, use)
        try:
            fields_order(options["fields"])
        except ValueError as error:
            raise OptionError("fields", str(error)) from error
        return options

    def tables(self) -> dict[str, Table]:
        return super().tables() | documentation()

    def begin(self, ctx: WriteContext, out: BinaryIO, tally: Tally) -> None:
        options = ctx.options
        if tally.records > MOST_LINES:
            raise idf("IDF04", count=tally.records)
        if options["after_run"] and ctx.batch_id <= options["after_run"]:
            raise idf("IDF02", run=ctx.batch_id, last=options["after_run"])
        zone = zone_of(ctx.zone or ctx.system_zone)
        line = HEADER.put(
            {
                "flag": options["header_word"],
                "run": int(ctx.batch_id),
                "interface": options["interface"],
                "count": tally.records,
                "modified": ctx.created.astimezone(zone),
            }
        )
        out.write(line + LINE_ENDS[options["line_end"]].encode())

    def write_frame(self, frame: Frame, ctx: WriteContext, out: BinaryIO, tally: Tally) -> None:
        if frame.sheets:
            raise idf("IDF03")
        IdfWriter(ctx, tally).write(frame, out)

    def finish(self, ctx: WriteContext, out: BinaryIO, tally: Tally) -> None:
        out.write(LINE_ENDS[ctx.options["line_end"]].encode())

    def verify(self, stream: BinaryIO, ctx: WriteContext) -> list[str]:
        """The header's count against the lines, the fields of each, the blank line at the end."""
        rows = list_end = 0
        text = io.TextIOWrapper(stream, "utf-8", newline="")
        wrong, said = [], None
        for row in csv.reader(text):
            if said is None:
                said = int(row[3])
            elif not row:
                list_end += 1
            else:
                rows += 1
                if len(row) != len(DETAIL.columns):
                    wrong.append(f"line {rows + 1}: {len(row)} fields")
        text.detach()
        if said != rows:
            wrong.append(f"header counts {said} lines, there are {rows}")
        return wrong if list_end == 1 else [*wrong, "no blank line at the end"]

    def read_meters(
        self,
        stream: BinaryIO,
        options: Mapping[str, Any],
        inventory: Inventory | None,
        report: ReadReport,
    ) -> Iterator[MeterData]:
        return Reader(options, inventory, report).read(stream)
