"""MV-90: Itron's 216-byte binary records, profiles `mdef` and `mainframe`.

Interval data as float32 cells with two status words, start and stop readings in the channel
headers; one meter a file, or several. Tables are in mv90/tables.py and records216.

Known deviations: none of `mdef`. `mainframe` is not verified against an MV-90 host. TD_STATUS is
always `AC`: a run has no mark for rejected channels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Literal

from devices.readings import DeviceInfo, Frame, MeterData
from exports.formats.base import Inventory, Options, ReadReport, Table, Tally, WriteContext
from exports.formats.mv90.book import SORTED_BY, Mv90Book, physical_channels
from exports.formats.mv90.documentation import documentation
from exports.formats.mv90.reader import Reader
from exports.formats.mv90.tables import CHANNEL_HEADER, METER, OPTIONS
from exports.formats.options import OptionError
from exports.formats.records216.base import Records216
from exports.formats.records216.book import IDENTIFIERS
from exports.formats.records216.finish import (
    clash_check,
    empty_check,
    offset_of,
    records_verify,
    trailer_write,
)
from exports.formats.records216.layouts import CELL, HEADER, INTERVALS, TRAILER
from exports.formats.records216.writer import FrameWriter


class Mv90(Records216):
    code = "mv90"
    label = "Itron MV-90 216-byte records (not verified against an MV-90 host)"
    extension = "MDE"
    default_name = "MDEF_{meter}_{batch}.MDE"
    options = OPTIONS
    layouts = (METER, CHANNEL_HEADER, INTERVALS, CELL, TRAILER)

    def options_clean(
        self, given: Mapping[str, object], use: Literal["write", "read"] | None = None
    ) -> Options:
        clean = super().options_clean(given, use)
        if use != "read":
            physical_channels(clean["physical"])
            byte92 = clean["byte92"]
            if byte92 and not (clean["profile"] == "mainframe" and " " <= byte92 <= "~"):
                allowed = "one character, of profile mainframe"
                raise OptionError("byte92", f"option byte92: {byte92!r} is not allowed; {allowed}")
        return clean

    def order(self, options: Mapping[str, Any]) -> str:
        return SORTED_BY[options["custid"]]

    def identifier(self, options: Mapping[str, Any]) -> str:
        return IDENTIFIERS[options["custid"]]

    def name_pattern(self, options: Mapping[str, Any]) -> str:
        if options["profile"] == "mainframe":
            return "MV90_{export}_{batch}.mv9"
        return "MDEF_{export}_{batch}.MDE" if options["multi_meter"] else self.default_name

    def splits(self, options: Mapping[str, Any]) -> bool:
        return not options["multi_meter"]

    def file_key(self, device: DeviceInfo, ctx: WriteContext) -> str:
        """CM_CUSTID, unless several meters may share a file; stays of a meter have one."""
        return "" if ctx.options["multi_meter"] else Mv90Book.custid(device, ctx.options)

    def tables(self) -> dict[str, Table]:
        return super().tables() | documentation()

    def write_frame(self, frame: Frame, ctx: WriteContext, out: BinaryIO, tally: Tally) -> None:
        FrameWriter(frame, Mv90Book(ctx), tally).write(out)

    def finish(self, ctx: WriteContext, out: BinaryIO, tally: Tally) -> None:
        """The trailer. What only the whole file shows is refused here."""
        book = Mv90Book(ctx)
        if not tally.meters:
            empty_check(book, tally)
            return
        if tally.meters > 1 and not ctx.options["multi_meter"]:
            raise ValueError(f"mv90: {tally.meters} meters in a file; option multi_meter allows it")
        clash_check(book, tally)
        trailer_write(out, ctx, offset_of(book, tally), tally)

    def verify(self, stream: BinaryIO, ctx: WriteContext) -> list[str]:
        return records_verify(stream, HEADER, (HEADER,))

    def read_meters(
        self,
        stream: BinaryIO,
        options: Mapping[str, Any],
        inventory: Inventory | None,
        report: ReadReport,
    ) -> Iterator[MeterData]:
        return Reader(options, inventory, report).read(stream)
