"""Plain records are read as the parser reads them, whatever happened to the file."""

import io
from decimal import Decimal

from hypothesis import given, settings, strategies as st

from devices.readings import Channel
from exports.formats import get
from exports.formats.cmep.parse import Parser
from exports.formats.cmep.plain import Plainly
from exports.formats.linearrays import LineArrays
from tests.exports.formats.reading_tools import both, damaged, frames, no_plain
from tests.exports.formats.register_tools import context

KWH = Channel(1, "KWH", "DEL", 900, "U", Decimal("0.001"), None, True, 0)
CHANNELS = [
    KWH,
    KWH._replace(seconds=3600, resolution=Decimal("0.00001")),
    KWH._replace(seconds=60, flow="REC"),
    KWH._replace(unit="KVARH", flow="Q1"),
    KWH._replace(unit="PULSE", resolution=Decimal(1), multiplier=Decimal("1.5")),
]
WORDS = [{}, {"dialect": "sensus"}, {"line_end": "LF"}, {"empty_crc_field": True}]
SLOWLY = no_plain(Plainly)


def written(frame, **words) -> bytes:
    words = {"pulses": True} | words
    words.pop("line_end", None)
    out = io.BytesIO()
    ctx = context("cmep", **words)
    get("cmep").write([frame], ctx, out)
    return out.getvalue()


@settings(max_examples=60, deadline=None)
@given(data=st.data(), words=st.sampled_from(WORDS))
def test_a_file_is_read_as_line_by_line(data: st.DataObject, words: dict) -> None:
    text = written(data.draw(frames(CHANNELS)), **words)
    if words.get("line_end"):
        text = text.replace(b"\r\n", b"\n")
    quickly, slowly = both("cmep", text, SLOWLY)
    assert quickly == slowly
    changed = data.draw(damaged(text))
    options = data.draw(st.sampled_from([{}, {"a_means": "actual"}, {"times": "Etc/GMT+5"}]))
    quickly, slowly = both("cmep", changed, SLOWLY, **options)
    assert quickly == slowly


def test_an_inventory_tells_the_grid() -> None:
    channels = {"M0": [KWH._replace(grid_offset=60)], "M1": [KWH]}
    record = "MEPMD01,19970819,A,B,C,D,202603020000,{},OK,E,KWH,1,00000015,2,{},,1,{},E,2.5\r\n"
    times = [("202603010015", "202603010030"), ("202603010014", "202603010029")]
    text = "".join(record.format(m, *t) for m in channels for t in times).encode()
    quickly, slowly = both("cmep", text, SLOWLY, lambda name: channels.get(name))
    assert quickly == slowly
    assert quickly[1][2] == 4  # a minute off


def test_plain_lines_are_found() -> None:
    record = "MEPMD01,19970819,A,B,C,D,202603020000,M1,OK,E,KWH,1,00000015,2,{},N,\n"
    plain = "202603010015,,1.25,202603010030"
    odd = ["202603010015,,1.25,202603010035", "202603010015,,-1.25,202603010030"]
    lines = "".join(map(record.format, (plain, *odd))).encode()
    plainly = Plainly(Parser(get("cmep").options_clean({}, "read")))
    found = plainly.records(LineArrays.of(lines))
    assert [one is not None for one in found] == [True, False, False]


def test_records_that_follow_one_another_are_one() -> None:
    record = "MEPMD01,19970819,A,B,C,{},202603020000,{},OK,E,KWH,1,00000015,2,{},,1.25,{},N,\n"
    times = [("202603010015", "202603010030"), ("202603010045", "202603010100")]
    told = [("M1", 0), ("M1", 1), ("M2", 1), ("M2", 0), ("M2", 1), ("M3", 0)]
    texts = [record.format(n, meter, *times[time]) for n, (meter, time) in enumerate(told)]
    plainly = Plainly(Parser(get("cmep").options_clean({}, "read")))
    found = plainly.records(LineArrays.of("".join(texts).encode()))
    assert [one and one.lines for one in found] == [2, None, 1, 2, None, 1]
    assert found[0] is not None
    assert found[0].counts.tolist() == [125, 0, 125, 0]
    assert found[0].scale == 2
    first, second = (one.ends.tolist() for one in found[0].records())
    assert first + second == found[0].ends.tolist()
