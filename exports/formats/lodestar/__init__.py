"""LodeStar Enhanced interval file (`.lse`): load intervals as cuts of four headers and values.

Profiles `generic` and `ercot`, after ERCOT's Retail Market Guide section 9 appendix G and files
that receivers take. Layout, units, statuses and options are declared in tables.py.

Known deviations: in the ercot profile only KWH has a unit code of its own, because channels 4 and
1 mean active energy there (decision 0060). LodeStar Standard is neither written nor read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Literal, cast

from devices.readings import Frame, MeterData
from exports.formats.base import (
    Format,
    Inventory,
    Options,
    ReadReport,
    Table,
    Tally,
    WriteContext,
)
from exports.formats.lodestar.documentation import documentation
from exports.formats.lodestar.reader import Reader
from exports.formats.lodestar.run import Run, duns_check, identifier_of
from exports.formats.lodestar.settings import settings_check
from exports.formats.lodestar.sorting import CutSorter
from exports.formats.lodestar.tables import HEADERS, INTERVALS, OPTIONS
from exports.formats.lodestar.writer import FrameWriter

READ_IN_ORDER = ("meter_number", "device_id")
LONGEST = 43200  # seconds that a cut may begin before the period


class Lodestar(Format):
    code = "lodestar"
    label = "LodeStar Enhanced"
    extension = "lse"
    intervals = True
    since = "day"
    states_device = True
    reads_at_end = True
    empty = "none"
    default_name = "LSE_{export}_{batch}.lse"
    options = OPTIONS
    layouts = (*HEADERS, INTERVALS)

    def options_clean(
        self, given: Mapping[str, object], use: Literal["write", "read"] | None = None
    ) -> Options:
        return settings_check(super().options_clean(given, use))

    def identifier(self, options: Mapping[str, Any]) -> str:
        return identifier_of(options)

    def order(self, options: Mapping[str, Any]) -> str:
        """The recorder id where a run can read its devices so, else any; see `passing`."""
        found = identifier_of(options)
        return found if found in READ_IN_ORDER else "meter_number"

    def wants_registers(self, options: Mapping[str, Any]) -> bool:
        """Their totals are the start and stop readings of header 2."""
        return True

    def register_margin(self, options: Mapping[str, Any]) -> int:
        """Where midnight is off the grid, a cut begins up to one interval before the period."""
        return LONGEST

    def name_pattern(self, options: Mapping[str, Any]) -> str:
        if options["profile"] != "ercot":
            return self.default_name
        duns = duns_check(options["duns"])
        return duns + "IntervalData{date:yyyyMMdd}{time:HHmmss}{seq:03}.lse"

    def tables(self) -> dict[str, Table]:
        return super().tables() | documentation()

    def passing(self, ctx: WriteContext, out: BinaryIO) -> BinaryIO:
        if identifier_of(ctx.options) in READ_IN_ORDER:
            return out
        return cast("BinaryIO", CutSorter(out))

    def begin(self, ctx: WriteContext, out: BinaryIO, tally: Tally) -> None:
        """No file header; settings that cannot be written are refused even without a meter."""
        Run(ctx)

    def write_frame(self, frame: Frame, ctx: WriteContext, out: BinaryIO, tally: Tally) -> None:
        FrameWriter(frame, Run(ctx), tally).write(out)

    def finish(self, ctx: WriteContext, out: BinaryIO, tally: Tally) -> None:
        """No trailer."""
        if isinstance(out, CutSorter):
            out.settle()

    def read_meters(
        self,
        stream: BinaryIO,
        options: Mapping[str, Any],
        inventory: Inventory | None,
        report: ReadReport,
    ) -> Iterator[MeterData]:
        return Reader(options, identifier_of(options), inventory, report).read(stream)
