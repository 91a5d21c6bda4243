"""Rows of known texts are read as the parser reads them, whatever happened to the file."""

import io
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from unittest import mock

import numpy as np
from hypothesis import given, settings, strategies as st

from devices.readings import Arrival, Channel, Frame
from exports.formats import get
from exports.formats.rte.reader import Reader
from tests.exports.formats.reading_tools import both, damaged, frames, read
from tests.exports.formats.register_tools import context

KWH = Channel(1, "KWH", "DEL", 900, "U", Decimal("0.001"), None, True, 0)
CHANNELS = [
    KWH,
    KWH._replace(number=2, seconds=3600, resolution=Decimal("0.000001")),
    KWH._replace(number=3, unit="V", flow="DEL", value_type="V", resolution=Decimal("0.1")),
]
ARRIVAL = Arrival(datetime(2026, 3, 2, 1, tzinfo=UTC), "SC")
WORDS = [{}, {"control": True}, {"names": False}, {"control": True, "line_end": "LF"}]


@contextmanager
def slowly():  # type: ignore[no-untyped-def]
    """Nothing is known."""
    with mock.patch.object(Reader, "_known", return_value=False):
        yield


def written(frame: Frame, words: dict) -> bytes:
    sheets = [replace(s, numbers=np.ones(s.counts.shape, np.int64)) for s in frame.sheets]
    out = io.BytesIO()
    ctx = context("rte", **words)
    get("rte").write([replace(frame, sheets=sheets, arrivals={1: ARRIVAL})], ctx, out)
    return out.getvalue()


@settings(max_examples=60, deadline=None)
@given(data=st.data(), words=st.sampled_from(WORDS))
def test_a_file_is_read_as_line_by_line(data: st.DataObject, words: dict) -> None:
    text = written(data.draw(frames(CHANNELS, slots=40)), words)
    quickly, wanted = both("rte", text, slowly)
    assert quickly == wanted
    changed = data.draw(damaged(text))
    options = data.draw(st.sampled_from([{}, {"strict": True}, {"zone": "America/Chicago"}]))
    quickly, wanted = both("rte", changed, slowly, **options)
    assert quickly == wanted


def test_only_the_first_row_of_a_kind_is_parsed() -> None:
    row = "I,{},D{},M,P,1,KWH,DEL,2026-03-01T0{}:00:00Z,3600,{},U,1,Y,A,,,SC,0\n"
    lines = [row.format(10 * n + h, n, h, f"1.{n}") for n in range(1, 4) for h in range(3)]
    with mock.patch.object(Reader, "_line", autospec=True, side_effect=Reader._line) as line:
        meters, issues = read("rte", "".join(lines).encode(), None)
    assert line.call_count == 3  # a time each
    assert [meter[0].device_id for meter in meters] == ["D1", "D2", "D3"]
    assert issues[0] == 9
