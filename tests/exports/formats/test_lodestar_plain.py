"""Plain interval records are read as the parser reads them, whatever happened to the file."""

import io
from decimal import Decimal
from unittest import mock

import numpy as np
from hypothesis import given, settings, strategies as st

from devices.readings import Channel
from exports.formats import get
from exports.formats.linearrays import LineArrays
from exports.formats.lodestar.plain import Block, masks_of
from exports.formats.lodestar.texts import Statuses
from tests.exports.formats.reading_tools import both, damaged, frames
from tests.exports.formats.register_tools import context

KWH = Channel(1, "KWH", "DEL", 900, "U", Decimal("0.001"), None, True, 0)
CHANNELS = [
    KWH,
    KWH._replace(seconds=3600, resolution=Decimal("0.00001")),
    KWH._replace(number=2, unit="KVARH", flow="Q1", multiplier=Decimal(40)),
]
ZONES = {"zone_name": "UTC=GMT0", "channel_map": "KWH DEL=1"}
WORDS = [{}, {"missing": "empty"}, {"status_questionable": "Q"}]


def slowly():  # type: ignore[no-untyped-def]
    """Nothing is plain."""
    return mock.patch.object(
        Block, "of", lambda lines, *_: Block(lines, [None] * len(lines), np.full(len(lines), -1))
    )


@settings(max_examples=60, deadline=None)
@given(data=st.data(), words=st.sampled_from(WORDS))
def test_a_file_is_read_as_line_by_line(data: st.DataObject, words: dict) -> None:
    out = io.BytesIO()
    ctx = context("lodestar", zone=None, **words, zone_name="UTC=GMT0")
    get("lodestar").write([data.draw(frames(CHANNELS, slots=300))], ctx, out)
    quickly, wanted = both("lodestar", out.getvalue(), slowly, **ZONES)
    assert quickly == wanted
    changed = data.draw(damaged(out.getvalue()))
    options = data.draw(st.sampled_from([{}, {"status_questionable": "A"}]))
    quickly, wanted = both("lodestar", changed, slowly, **ZONES, **options)
    assert quickly == wanted


def test_plain_records_are_found() -> None:
    plain = b"10000000,0.401, ,,12,E,,0.10,A,,0,9,,,9,,,,\r\n"
    odd = [
        b"00000001,M1,1",
        b"10000000,1,9,",
        b"10000000,1,,2",
        b"1000000x,1,,",
        b"10000000,-1,,",
    ]
    odd += [b"10000000,,A,", b"10000000,1,?,", b"10000000,1,,20260301000000", b"10000000,1.2345,,"]
    options = get("lodestar").options_clean({}, "read")
    lines = LineArrays.of(b"".join([plain, *(line + b"\n" for line in odd)]))
    found = Block.of(lines, masks_of(Statuses(options)), 3).members
    assert found[0] is not None
    assert found[0].counts.tolist() == [401, 12000, 100, 0, 0, 0]
    assert found[0].masks.tolist() == [0, 2, 0, 1, 1, 1]
    assert found[1:] == [None] * len(odd)
