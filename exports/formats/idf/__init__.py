"""IDF: Itron Delimited Format, register data.

A header with the count, a line a register value, a blank line. Field order, header word and
interface name are options of the export definition. Layout, words and options: tables.py.

Known deviations: what a meter or read does not tell is written as decision 0075 has it.
"""

from __future__ import annotations

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
from exports.formats.secondlook import cells_found, last_apart, line_blocks, rows_of
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
        [header] = rows_of(stream.readline())
        said, rows, blank = int(header[3]), 0, 0
        wrong, wanted = [], len(DETAIL.columns)
        for block, last in last_apart(line_blocks(stream)):
            blank += last in (b"\r\n", b"\n")
            found = cells_found(block, wanted) if block else None
            if found is not None:
                rows += len(found.ends)
                continue
            for row in rows_of(block if blank else block + last):
                blank += 2 * (not row)  # one too many
                rows += bool(row)
                if row and len(row) != wanted:
                    wrong.append(f"line {rows + 1}: {len(row)} fields")
        if said != rows:
            wrong.append(f"header counts {said} lines, there are {rows}")
        return wrong if blank == 1 else [*wrong, "no blank line at the end"]

    def read_meters(
        self,
        stream: BinaryIO,
        options: Mapping[str, Any],
        inventory: Inventory | None,
        report: ReadReport,
    ) -> Iterator[MeterData]:
        return Reader(options, inventory, report).read(stream)
