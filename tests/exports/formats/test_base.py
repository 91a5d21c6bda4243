"""What every format gets from its base: the order in which the parts of a file are written."""

import io
import zlib
from datetime import UTC, datetime
from decimal import Decimal, Inexact

import pytest

from devices.readings import DeviceInfo, Frame
from exports.formats.base import Format, Tally, WriteContext
from exports.formats.context import LeftOut

CONTEXT = WriteContext(
    created=datetime(2026, 3, 2, tzinfo=UTC),
    batch_id="20260302000000",
    start=datetime(2026, 3, 1, tzinfo=UTC),
    end=datetime(2026, 3, 2, tzinfo=UTC),
    options={},
)
FRAMES = [Frame([DeviceInfo("A"), DeviceInfo("B")]), Frame([DeviceInfo("C")])]


class Signing:
    """Passes bytes on and keeps their CRC."""

    def __init__(self, out):
        self.out, self.crc = out, 0

    def write(self, data: bytes) -> int:
        self.crc = zlib.crc32(data, self.crc)
        return self.out.write(data)


class Counted(Format):
    """A header with the number of meters, a line a meter, a trailer with the CRC of it all."""

    code, label, extension = "counted", "Counted", "txt"
    counts_first = True

    def passing(self, ctx, out):
        return Signing(out)

    def begin(self, ctx, out, tally):
        out.write(b"H%d\n" % tally.meters)

    def write_frame(self, frame, ctx, out, tally):
        for device in frame.devices:
            out.write(device.device_id.encode() + b"\n")
            tally.meters += 1

    def finish(self, ctx, out, tally):
        out.out.write(b"T%08x\n" % out.crc)


def test_a_header_may_state_what_is_known_only_at_the_end():
    out = io.BytesIO()
    Counted().write(FRAMES, CONTEXT, out)
    body = b"H3\nA\nB\nC\n"
    assert out.getvalue() == body + b"T%08x\n" % zlib.crc32(body)


def test_without_counts_the_header_is_written_first():
    class Streamed(Counted):
        counts_first = False

    out = io.BytesIO()
    Streamed().write(FRAMES, CONTEXT, out)
    assert out.getvalue().startswith(b"H0\nA\n")


def test_totals_of_parts_are_added_exactly():
    whole, part = Tally(), Tally()
    whole.add("energy", Decimal("0.1"))
    part.add("energy", Decimal("0.2"))
    part.add("demand", 3)
    part.left_out.append(LeftOut(DeviceInfo("A"), None, "FMT08"))
    whole.merge(part)
    assert whole.totals == {"energy": Decimal("0.3"), "demand": Decimal(3)}
    assert whole.total("interval") == 0
    assert whole.left_out == part.left_out


def test_a_total_that_cannot_be_exact_is_an_error():
    tally = Tally()
    tally.add("energy", Decimal("1E+80"))
    with pytest.raises(Inexact):
        tally.add("energy", Decimal("1E-80"))
