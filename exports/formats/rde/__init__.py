"""RDE: Register Data Export, a row a register (`long`) or a row a read and flow (`wide`).

Layouts, energy kinds, options and refusals: tables.py.

Known deviations: what a meter or read does not tell is written as decision 0075 has it; `append`
leaves out the line of names, the run does the appending.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, BinaryIO, Literal, cast

from devices.readings import Frame, MeterData
from exports.formats.base import Format, Inventory, OptionError, Options, ReadReport, Table
from exports.formats.context import Tally, WriteContext
from exports.formats.rde.documentation import documentation
from exports.formats.rde.reader import Reader
from exports.formats.rde.tables import (
    OPTIONS,
    RDEC,
    RDED,
    RDEH,
    RDET,
    WIDE,
    WIDE_NAMES,
    WIDE_ONLY,
    rde,
)
from exports.formats.rde.verify import Seen
from exports.formats.rde.wide import WideWriter
from exports.formats.rde.writer import LongWriter
from exports.formats.registers import LINE_ENDS
from exports.formats.secondlook import last_apart, line_blocks, rows_of
from exports.formats.zones import zone_of


class Hashed(io.RawIOBase):
    """Passes bytes on and keeps their SHA-256."""

    def __init__(self, out: BinaryIO) -> None:
        self.out = out
        self.sha256 = hashlib.sha256()

    def write(self, data: Any, /) -> int:
        self.sha256.update(data)
        return self.out.write(data)


class Rde(Format):
    code = "rde"
    label = "Register Data Export"
    extension = "csv"
    registers = True
    states_device = True
    options = OPTIONS
    layouts = (RDEH, RDED, RDET, WIDE)

    def options_clean(
        self, given: Mapping[str, object], use: Literal["write", "read"] | None = None
    ) -> Options:
        options = super().options_clean(given, use)
        for name in WIDE_ONLY:
            if options.get(name) and options["profile"] != "wide":
                raise OptionError(name, f"option {name}: only with profile wide")
        return options

    def tables(self) -> dict[str, Table]:
        return super().tables() | documentation()

    def passing(self, ctx: WriteContext, out: BinaryIO) -> BinaryIO:
        return cast(BinaryIO, Hashed(out))

    def begin(self, ctx: WriteContext, out: BinaryIO, tally: Tally) -> None:
        if ctx.mode in ("RE", "CO") and not ctx.original_batch:
            raise rde("RDE04", mode=ctx.mode)
        options = ctx.options
        lines = []
        if options["profile"] == "long":
            lines.append(self._header(ctx))
            if options["names"]:
                lines.append(RDEC.encode())
        elif not options["append"]:
            lines.append(",".join(WIDE_NAMES).encode())
        end = LINE_ENDS[options["line_end"]].encode()
        out.write(b"".join(line + end for line in lines))

    def _header(self, ctx: WriteContext) -> bytes:
        zone = zone_of(ctx.zone or ctx.system_zone)
        return RDEH.put(
            {
                "Batch": int(ctx.batch_id),
                "Created": ctx.created.astimezone(zone),
                "Sender": ctx.sender,
                "Receiver": ctx.receiver,
                "Export": ctx.export,
                "Mode": ctx.mode,
                "OriginalBatch": int(ctx.original_batch) if ctx.original_batch else None,
                "From": ctx.start.astimezone(zone),
                "To": ctx.end.astimezone(zone),
                "Zone": ctx.zone or "DEVICE",
                "Groups": ";".join(ctx.groups),
            }
        )

    def write_frame(self, frame: Frame, ctx: WriteContext, out: BinaryIO, tally: Tally) -> None:
        writer = LongWriter if ctx.options["profile"] == "long" else WideWriter
        writer(ctx, tally).write(frame, out)

    def finish(self, ctx: WriteContext, out: BinaryIO, tally: Tally) -> None:
        if ctx.options["profile"] != "long":
            return
        line = RDET.put(
            {
                "Batch": int(ctx.batch_id),
                "Reads": int(tally.total("reads")),
                "Rows": tally.records,
                "EnergyTotal": tally.total("energy"),
                "DemandTotal": tally.total("demand"),
                "Estimated": int(tally.total("estimated")),
                "Missing": tally.missing,
                "SHA256": cast(Hashed, out).sha256.hexdigest(),
            }
        )
        out.write(line + LINE_ENDS[ctx.options["line_end"]].encode())

    def verify(self, stream: BinaryIO, ctx: WriteContext) -> list[str]:
        """Profile long: counts, totals and hash of the trailer against the lines before it."""
        if ctx.options["profile"] != "long":
            return []
        seen, said = Seen(), [""]
        for block, last in last_apart(line_blocks(stream)):
            seen.block(block)
            if last:
                [said] = rows_of(last)
        counts = [seen.counts[name] for name in ("reads", "rows", "estimated", "missing")]
        checks = [
            ("trailer", said[0], "RDET"),
            *zip(
                ("reads", "rows", "estimated", "missing"),
                *((said[2], said[3], said[6], said[7]), map(str, counts)),
                strict=True,
            ),
            ("energy total", Decimal(said[4]), seen.totals["SUM"]),
            ("demand total", Decimal(said[5]), seen.totals["MAX"]),
            ("SHA-256", said[8], seen.sha256.hexdigest()),
        ]
        return [f"{what}: {a} in the trailer, {b} counted" for what, a, b in checks if a != b]

    def read_meters(
        self,
        stream: BinaryIO,
        options: Mapping[str, Any],
        inventory: Inventory | None,
        report: ReadReport,
    ) -> Iterator[MeterData]:
        return Reader(options, report).read(stream)
