"""Acme's daily totals: an example of a utility's own format, kept outside the tree.

A text file, a line a meter and channel: meter, unit, flow, first and last interval end (UTC),
number of intervals, how many of them are missing, their sum. To use it, put the module where Python
finds it and name it: TMS_FORMATS=acme_daily PYTHONPATH=/etc/tms. It is then listed by `formats`,
offered for new exports, and runs like those that ship with TMS. How it is built is explained in
docs/formats/own.md.
"""

from decimal import Decimal

from devices.readings import Status, instant
from exports.formats.base import Format, FormatError, Option
from exports.formats.context import ZERO
from exports.formats.kinds import Integer, Number, Text, Word
from exports.formats.layout import Column, Line
from exports.formats.text import plain, product

TOTAL = Line(
    "total",
    (
        Column(1, "meter", Text(";"), 20, "MeterNumber"),
        Column(2, "unit", Word(("KWH", "KVARH")), 6),
        Column(3, "flow", Word(("DEL", "REC")), 3),
        Column(4, "first", Text(), 20, "end of the first interval, UTC"),
        Column(5, "last", Text(), 20, "end of the last interval, UTC"),
        Column(6, "intervals", Integer(0, 99_999), 5),
        Column(7, "missing", Integer(0, 99_999), 5),
        Column(8, "sum", Number(12, 3), 16, "engineering units, 3 decimals"),
    ),
    delimiter=b";",
)
UNITS, FLOWS = ("KWH", "KVARH"), ("DEL", "REC")


class AcmeDaily(Format):
    code = "acme"
    label = "Acme daily totals"
    extension = "txt"
    intervals = True
    readable = False
    options = (Option("decimals", "integer", 3, "decimals of the sum", minimum=0, maximum=3),)
    layouts = (TOTAL,)

    def write_frame(self, frame, ctx, out, tally):
        for meter in frame.meters():
            written = 0
            for series in meter.series:
                try:
                    written += self._write(meter.device, series, ctx, out, tally)
                except FormatError as error:
                    error.at(format=self.code, meter=meter.device.meter_number)
                    if error.code not in self.unsupported or ctx.on_unsupported == "stop":
                        raise
                    tally.leave_out(meter.device, series.channel, error)
            tally.meters += bool(written)

    def _write(self, device, series, ctx, out, tally):
        channel = series.channel
        if channel.unit not in UNITS or channel.flow not in FLOWS:
            text = f"unit {channel.unit} (flow {channel.flow}) has no code in this format"
            raise FormatError("FMT08", text)
        missing = int((series.status & int(Status.MISSING) != 0).sum())
        if missing == len(series.ends):
            return 0
        total = product(Decimal(int(series.counts.sum())), channel.resolution)
        if channel.multiplier_applied is False and channel.multiplier is not None:
            total = product(total, channel.multiplier)
        rounded = Decimal(plain(total, ctx.options["decimals"]))
        line = TOTAL.put(
            {
                "meter": device.meter_number,
                "unit": channel.unit,
                "flow": channel.flow,
                "first": f"{instant(int(series.ends[0])):%Y-%m-%dT%H:%M:%SZ}",
                "last": f"{instant(int(series.ends[-1])):%Y-%m-%dT%H:%M:%SZ}",
                "intervals": len(series.ends),
                "missing": missing,
                "sum": rounded,
            }
        )
        out.write(line + b"\r\n")
        tally.records += 1
        tally.intervals += len(series.ends)
        tally.missing += missing
        tally.add("sum", rounded)
        return 1

    def finish(self, ctx, out, tally):
        out.write(b"TOTAL;%d;%s\r\n" % (tally.records, str(tally.total("sum") or ZERO).encode()))


FORMAT = AcmeDaily()
