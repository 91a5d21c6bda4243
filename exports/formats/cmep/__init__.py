"""CMEP: California Metering Exchange Protocol, MEPMD01 v1.20 (7 March 2000) and MEPMD02.

Interval data and register reads (`*REG`) as text lines, in the published dialect and in the one
that Sensus feeds use. Layout, units, flags and options are declared in tables.py.

Known deviations: MEPMD02 (TOU totals) is read as far as it can be: checked and listed, since no
register class means an amount of a period. A CRC is never written; its algorithm is not known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Literal

from devices.readings import RATES, Frame, MeterData
from exports.formats.base import (
    Format,
    FormatError,
    Inventory,
    OptionError,
    Options,
    ReadReport,
    Table,
    Tally,
    WriteContext,
)
from exports.formats.cmep.documentation import documentation
from exports.formats.cmep.reader import Reader
from exports.formats.cmep.run import Run
from exports.formats.cmep.tables import (
    BASE_LABELS,
    IDENTIFIERS,
    LABELS,
    MEPMD01,
    MEPMD02,
    OPTIONS,
    UNSUPPORTED,
)
from exports.formats.cmep.verify import counts_verify
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
    layouts = (MEPMD01, MEPMD02)
    unsupported = UNSUPPORTED

    def options_clean(
        self, given: Mapping[str, object], use: Literal["write", "read"] | None = None
    ) -> Options:
        options = super().options_clean(given, use)
        allowed = LABELS if options.get("dialect") == "sensus" else BASE_LABELS
        for name, keys, words in (
            ("tou_labels", RATES, allowed),
            ("tou_seasons", tuple(map(str, range(256))), ("S", "W")),
        ):
            for key, word in (options.get(name) or {}).items():
                if key not in keys or word not in words:
                    listed = ", ".join(words)
                    text = f"option {name}: {key}={word} is not allowed; words are {listed}"
                    raise OptionError(name, text)
        labels = list((options.get("tou_labels") or {}).values())
        if len(set(labels)) < len(labels):
            raise OptionError("tou_labels", "option tou_labels: two rates have one label")
        return options

    def order(self, options: Mapping[str, Any]) -> str:
        return IDENTIFIERS[options["meter_id"]]

    def wants_intervals(self, options: Mapping[str, Any]) -> bool:
        return bool(options["include"] != "registers")

    def wants_registers(self, options: Mapping[str, Any]) -> bool:
        return bool(options["include"] != "intervals" or options["tou"])

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

    def verify(self, stream: BinaryIO, ctx: WriteContext) -> list[str]:
        """Each record's count against its fields, its length, its end."""
        return counts_verify(stream, ctx.options["empty_crc_field"])

    def read_meters(
        self,
        stream: BinaryIO,
        options: Mapping[str, Any],
        inventory: Inventory | None,
        report: ReadReport,
    ) -> Iterator[MeterData]:
        return Reader(options, inventory, report).read(stream, self.order(options))
