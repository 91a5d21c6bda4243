"""S-XML: register reads, intervals and events as one XML document.

Elements, types, options and messages are declared in tables.py; the published schema is
tms-sxml-1.xsd. Written as a stream: one frame's meters at a time, the list of meters not read and
the trailer last.

Known deviations: what the input model does not hold is not written (CorrelationID, @supersedes,
@lastRead, all of Device but its class).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Literal, cast

from devices.readings import Frame, MeterData
from exports.formats.base import Format, Inventory, ReadReport, Table, Tally, WriteContext
from exports.formats.options import OptionError, Options
from exports.formats.sxml.document import Body, header, trailer
from exports.formats.sxml.documentation import documentation
from exports.formats.sxml.reader import Reader
from exports.formats.sxml.run import Run, words_of
from exports.formats.sxml.schema import SCHEMA_PATH
from exports.formats.sxml.tables import LISTS, OPTIONS
from exports.formats.sxml.writer import FrameWriter

__all__ = ["SCHEMA_PATH", "Sxml"]


class Sxml(Format):
    code = "sxml"
    label = "S-XML"
    extension = "xml"
    intervals = True
    registers = True
    events = True
    default_name = "SXML_{export}_{batch}.{ext}"
    schema = SCHEMA_PATH
    options = OPTIONS

    def options_clean(
        self, given: Mapping[str, object], use: Literal["write", "read"] | None = None
    ) -> Options:
        options = super().options_clean(given, use)
        for name in LISTS:
            try:
                words_of(name, options.get(name, ""))
            except ValueError as error:
                raise OptionError(name, f"option {name}: {error}") from error
        return options

    def file_extension(self, options: Mapping[str, Any]) -> str:
        return "xml.gz" if options["gzip"] else "xml"

    def wants_intervals(self, options: Mapping[str, Any]) -> bool:
        return bool(options["intervals"])

    def wants_registers(self, options: Mapping[str, Any]) -> bool:
        return bool(options["registers"] or options["intervals"])

    def wants_events(self, options: Mapping[str, Any]) -> bool:
        return bool(options["events"])

    def wants_arrivals(self, options: Mapping[str, Any]) -> bool:
        return bool(options["intervals"])

    def register_margin(self, options: Mapping[str, Any]) -> int:
        """A reading at the period's very end may be the last run's EndRegister."""
        return 1 if options["intervals"] else 0

    def splits(self, options: Mapping[str, Any]) -> bool:
        return options["split"] is not None

    def meters_a_file(self, options: Mapping[str, Any]) -> int | None:
        return cast("int | None", options["split"])

    def tables(self) -> dict[str, Table]:
        return super().tables() | documentation()

    # --- writing --------------------------------------------------------------------------------
    def passing(self, ctx: WriteContext, out: BinaryIO) -> BinaryIO:
        options = ctx.options
        return cast(BinaryIO, Body(out, options["gzip"], options["line_end"] == "LF"))

    def begin(self, ctx: WriteContext, out: BinaryIO, tally: Tally) -> None:
        cast(Body, out).raw(header(Run(ctx)))

    def write_frame(self, frame: Frame, ctx: WriteContext, out: BinaryIO, tally: Tally) -> None:
        FrameWriter(frame, Run(ctx), tally).write(out)

    def finish(self, ctx: WriteContext, out: BinaryIO, tally: Tally) -> None:
        body = cast(Body, out)
        body.end()
        body.raw(trailer(tally))
        body.close()

    def verify(self, stream: BinaryIO, ctx: WriteContext) -> list[str]:
        """The file against schema and checks, counts and totals recomputed: by the reader, which
        shares no text with the writer."""
        report = ReadReport()
        options = self.options_clean({}, "read")
        for _ in Reader(options, report, kept=False).read(stream):
            pass
        return [str(issue) for issue in report.issues if issue.level == "error"]

    # --- reading --------------------------------------------------------------------------------
    def read_meters(
        self,
        stream: BinaryIO,
        options: Mapping[str, Any],
        inventory: Inventory | None,
        report: ReadReport,
    ) -> Iterator[MeterData]:
        yield from Reader(options, report).read(stream)
