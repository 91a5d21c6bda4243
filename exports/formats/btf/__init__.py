"""BTF: Billing Transfer File, fixed records of 200 characters.

A header, for each read a BTFM and its BTFRs, a trailer with control totals and CRC-32. Records,
options and refusals: tables.py.

Known deviations: what a meter or read does not tell is written as decision 0075 has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, BinaryIO, cast

from devices.readings import DeviceInfo, Frame, MeterData
from exports.formats.base import Format, Inventory, ReadReport, Table
from exports.formats.btf.documentation import documentation
from exports.formats.btf.reader import Reader
from exports.formats.btf.tables import BTFH, BTFM, BTFR, BTFT, EXPLICIT, OPTIONS, btf
from exports.formats.btf.verify import Seen, four
from exports.formats.btf.writer import BtfWriter, Numbered, ascii_text
from exports.formats.context import Tally, WriteContext
from exports.formats.registers import LINE_ENDS
from exports.formats.secondlook import last_apart, line_blocks
from exports.formats.zones import zone_of

REPLACED = "BTF50"


class Btf(Format):
    code = "btf"
    label = "Billing Transfer File"
    extension = "txt"
    registers = True
    states_device = True
    default_name = "BTF_{sender}_{group}_{batch}.txt"
    options = OPTIONS
    layouts = (BTFH, BTFM, BTFR[EXPLICIT], BTFT[EXPLICIT])

    def tables(self) -> dict[str, Table]:
        return super().tables() | documentation()

    def splits(self, options: Mapping[str, Any]) -> bool:
        return bool(options["by_group"])

    def file_key(self, device: DeviceInfo, ctx: WriteContext) -> str:
        return device.bill_cycle if ctx.options["by_group"] else ""

    def file_context(self, ctx: WriteContext, key: str, number: int) -> WriteContext:
        groups = (key,) if ctx.options["by_group"] else ctx.groups
        return replace(ctx, part=number, groups=groups)

    def passing(self, ctx: WriteContext, out: BinaryIO) -> BinaryIO:
        return cast(BinaryIO, Numbered(out, len(LINE_ENDS[ctx.options["line_end"]])))

    def begin(self, ctx: WriteContext, out: BinaryIO, tally: Tally) -> None:
        if ctx.mode in ("RE", "CO") and not ctx.original_batch:
            raise btf("BTF03", mode=ctx.mode)
        zone = zone_of(ctx.zone or ctx.system_zone)
        created, start, end = (t.astimezone(zone) for t in (ctx.created, ctx.start, ctx.end))
        export = ascii_text(ctx.export)
        if "?" in export and "?" not in ctx.export:
            tally.warn(REPLACED, f"export name {ctx.export} is written {export}")
        record = BTFH.put(
            {
                "sequence": 0,
                "layout": ctx.options["layout"],
                "sender": ctx.sender,
                "receiver": ctx.receiver,
                "export": export,
                "batch": int(ctx.batch_id),
                "created": created,
                "created_offset": created,
                "start": start,
                "start_offset": start,
                "end": end,
                "end_offset": end,
                "group": ctx.groups[0] if len(ctx.groups) == 1 else "",
                "mode": ctx.mode,
                "original_batch": int(ctx.original_batch) if ctx.original_batch else None,
                "test": ctx.options["test_flag"],
            }
        )
        out.write(record + LINE_ENDS[ctx.options["line_end"]].encode())

    def write_frame(self, frame: Frame, ctx: WriteContext, out: BinaryIO, tally: Tally) -> None:
        BtfWriter(ctx, tally).write(frame, out)

    def finish(self, ctx: WriteContext, out: BinaryIO, tally: Tally) -> None:
        numbered = cast(Numbered, out)
        record = BTFT[ctx.options["layout"]].put(
            {
                "sequence": 0,
                "batch": int(ctx.batch_id),
                "reads": int(tally.total("reads")),
                "registers": tally.registers,
                "lines": numbered.lines + 1,
                "energy": tally.total("energy"),
                "demand": tally.total("demand"),
                "estimated": int(tally.total("estimated")),
                "missing": tally.missing,
                "crc": f"{numbered.crc:08X}",
            }
        )
        out.write(record + LINE_ENDS[ctx.options["line_end"]].encode())

    def verify(self, stream: BinaryIO, ctx: WriteContext) -> list[str]:
        """Numbers of the lines, counts, totals and CRC of the trailer against the bytes before."""
        seen = Seen(LINE_ENDS[ctx.options["line_end"]].encode())
        last = b""
        for block, last in last_apart(line_blocks(stream)):  # noqa: B007
            seen.block(block)
        found, totals, crc, wrong = seen.counts, seen.totals, seen.crc, seen.wrong
        seen.lines([last])
        text = last.decode("ascii")
        checks = (
            ("trailer", text[:4], "BTFT"),
            ("reads", int(text[27:36]), found["BTFM"]),
            ("registers", int(text[36:45]), found["BTFR"]),
            ("lines", int(text[45:54]), found["lines"]),
            ("energy total", four(text[54:74]), totals["SUM"]),
            ("demand total", four(text[74:94]), totals["MAX"]),
            ("estimated", int(text[94:103]), found["estimated"]),
            ("missing", int(text[103:112]), found["missing"]),
            ("CRC-32", text[112:120], f"{crc:08X}"),
        )
        differing = [f"{what}: {a} in the trailer, {b} counted" for what, a, b in checks if a != b]
        return wrong + differing

    def read_meters(
        self,
        stream: BinaryIO,
        options: Mapping[str, Any],
        inventory: Inventory | None,
        report: ReadReport,
    ) -> Iterator[MeterData]:
        return Reader(options, report).read(stream)
