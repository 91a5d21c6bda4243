"""RTE: Real-Time Export, readings as they arrive.

Intervals and register totals as rows of text, numbered without a gap over all files of an export
definition. Layout, options and messages are declared in tables.py; what is written is arrivals
(arrivals.py): versions in the order of the journal, or the values of a period.

Known deviations: none of the specification's; an export of a period has revision 0 everywhere and
its own row order (decision 0070).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO, ClassVar, Literal, cast

from devices.readings import Frame, MeterData
from exports.formats.base import Format, Inventory, ReadReport, Table, Tally, WriteContext
from exports.formats.rte.arrivals import Arrivals, Gather
from exports.formats.rte.documentation import documentation
from exports.formats.rte.reader import Reader
from exports.formats.rte.run import Run
from exports.formats.rte.tables import HEADER, NAMES, OPTIONS, ROW, TRAILER, rte
from exports.formats.rte.writer import Numbering, arrivals_write

__all__ = ["Arrivals", "Rte"]


class Rte(Format):
    code = "rte"
    label = "Real-Time Export"
    extension = "csv"
    intervals = True
    registers = True
    flow = True
    default_name = "RTE_{export}_{utc:yyyyMMddTHHmmssfff}_{seq:12}.csv"
    options = OPTIONS
    layouts: ClassVar[Any] = (ROW, HEADER, TRAILER)

    def order(self, options: Mapping[str, Any]) -> str:
        return "device_id"

    def wants_intervals(self, options: Mapping[str, Any]) -> bool:
        return bool(options["include"] != "registers")

    def wants_registers(self, options: Mapping[str, Any]) -> bool:
        return bool(options["include"] != "intervals")

    def wants_arrivals(self, options: Mapping[str, Any]) -> bool:
        return True

    def when_empty(self, options: Mapping[str, Any]) -> Literal["write", "none"]:
        return "write" if options["control"] else "none"

    def tables(self) -> dict[str, Table]:
        return super().tables() | documentation()

    # --- writing --------------------------------------------------------------------------------
    def passing(self, ctx: WriteContext, out: BinaryIO) -> BinaryIO:
        return cast(BinaryIO, Numbering(out, ctx.options["first_seq"]))

    def begin(self, ctx: WriteContext, out: BinaryIO, tally: Tally) -> None:
        run = Run(ctx)
        if ctx.options["control"]:
            values = {
                "BatchID": ctx.batch_id,
                "Created": run.header_time(ctx.created),
                "Export": ctx.export,
                "FirstSeq": ctx.options["first_seq"],
                "Zone": run.header_zone,
            }
            out.write(HEADER.put(values) + run.line_end)
        if ctx.options["names"]:
            out.write(",".join(NAMES).encode() + run.line_end)

    def write_frame(self, frame: Frame, ctx: WriteContext, out: BinaryIO, tally: Tally) -> None:
        gather = Gather(frame, ctx, tally)
        arrivals = gather.arrivals()
        written = arrivals_write(arrivals, Run(ctx), out, tally, refused=gather.refused)
        tally.meters += len(written)

    def finish(self, ctx: WriteContext, out: BinaryIO, tally: Tally) -> None:
        if not ctx.options["control"]:
            return
        values = {
            "BatchID": ctx.batch_id,
            "IntervalRows": tally.intervals,
            "RegisterRows": tally.registers,
            "LastSeq": ctx.options["first_seq"] + tally.records - 1,
            "IntervalTotal": tally.total("total I"),
            "RegisterTotal": tally.total("total R"),
        }
        out.write(TRAILER.put(values) + Run(ctx).line_end)

    def write_arrivals(
        self, lots: Iterable[Arrivals], ctx: WriteContext, out: BinaryIO, *, last_seq: int = 0
    ) -> Tally:
        """A live file: arrivals in their order, Seq from option `first_seq` on.

        `last_seq`: the last number that the definition gave, RTE01 if the file does not go on
        after it.
        """
        first = ctx.options["first_seq"]
        if first <= last_seq:
            raise rte("RTE01", first=first, last=last_seq).at(format="rte")
        tally = Tally()
        out = self.passing(ctx, out)
        self.begin(ctx, out, tally)
        devices = set[str]()
        for arrivals in lots:
            devices |= self.write_lot(arrivals, ctx, out, tally)
        tally.meters = len(devices)
        self.finish(ctx, out, tally)
        return tally

    def write_lot(
        self, arrivals: Arrivals, ctx: WriteContext, out: BinaryIO, tally: Tally
    ) -> set[str]:
        """The rows of a lot, numbered by `passing` on their way into a file; the ids of their
        devices, which the tally does not count."""
        return arrivals_write(arrivals, Run(ctx), out, tally)

    def verify(self, stream: BinaryIO, ctx: WriteContext) -> list[str]:
        """Rows and sums against T, Seq against itself: by the reader, which shares no text with
        the writer."""
        report = ReadReport()
        options = self.options_clean({"strict": True}, "read")
        for _ in Reader(options, None, report).read(stream):
            pass
        wrong = [str(issue) for issue in report.issues if issue.level == "error"]
        return wrong + [str(issue) for issue in report.issues if issue.code == "RTR56"]

    # --- reading --------------------------------------------------------------------------------
    def read_meters(
        self,
        stream: BinaryIO,
        options: Mapping[str, Any],
        inventory: Inventory | None,
        report: ReadReport,
    ) -> Iterator[MeterData]:
        return Reader(options, inventory, report).read(stream)
