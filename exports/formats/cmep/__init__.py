"""CMEP: California Metering Exchange Protocol, record MEPMD01 v1.20 (7 March 2000).

Interval data and register reads (`*REG`) as text lines, in the published dialect and in the one
that Sensus feeds use. Layout, units, flags and options are declared in tables.py.

Known deviations: MEPMD02 (TOU totals) is neither written nor read, its lines are skipped with a
warning as those of other record types are. A CRC is never written; its algorithm is not known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from devices.readings import Frame, MeterData
from exports.formats.base import (
    Format,
    FormatError,
    Inventory,
    ReadReport,
    Table,
    Tally,
    WriteContext,
)
from exports.formats.cmep.documentation import documentation
from exports.formats.cmep.reader import Reader
from exports.formats.cmep.run import Run
from exports.formats.cmep.tables import IDENTIFIERS, MEPMD01, OPTIONS, UNSUPPORTED
from exports.formats.cmep.writer import FrameWriter


class Cmep(Format):
    code = "cmep"
    label = "California Metering Exchange Protocol (MEPMD01 v1.20)"
    extension = "txt"
    intervals = True
    registers = True
    reads_at_end = True
    empty = "none"
    default_name = "CMEP_{export}_{batch}.txt"
    options = OPTIONS
    layouts = (MEPMD01,)
    unsupported = UNSUPPORTED

    def order(self, options: Mapping[str, Any]) -> str:
        return IDENTIFIERS[options["meter_id"]]

    def wants_intervals(self, options: Mapping[str, Any]) -> bool:
        return bool(options["include"] != "registers")

    def wants_registers(self, options: Mapping[str, Any]) -> bool:
        return bool(options["include"] != "intervals")

    def tables(self) -> dict[str, Table]:
        return super().tables() | documentation()

    def write_frame(self, frame: Frame, ctx: WriteContext, out: BinaryIO, tally: Tally) -> None:
        FrameWriter(frame, Run(ctx), tally).write(out)

    def faults(self, ctx: WriteContext) -> list[str]:
        try:
            Run(ctx)
        except FormatError as error:
            return [str(error)]
        return []

    def finish(self, ctx: WriteContext, out: BinaryIO, tally: Tally) -> None:
        """No trailer; warnings that hold for the whole file are counted once."""
        for code, text in Run(ctx).run_warnings():
            tally.warn(code, text)

    def read_meters(
        self,
        stream: BinaryIO,
        options: Mapping[str, Any],
        inventory: Inventory | None,
        report: ReadReport,
    ) -> Iterator[MeterData]:
        return Reader(options, inventory, report).read(stream, self.order(options))
