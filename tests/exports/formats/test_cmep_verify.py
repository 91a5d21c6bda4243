"""The second look at a CMEP file says the same of blocks as of lines one by one."""

import io

from hypothesis import given, settings, strategies as st

from exports.formats.cmep import verify

HEAD = b"MEPMD01,19970819,TMS,C,,R,202601130000,M1,OK,E,KWH,1,00000015"
TOTALS = b"MEPMD02,19970819,TMS,C,,R,202601130000,M1,OK,E,KWH,,1"


def line(count: int, *, said: int | None = None, crc: bool = False) -> bytes:
    triplets = b"".join(b",2026011200%02d,,0.%d" % (n % 60, n) for n in range(count))
    said = count if said is None else said
    return HEAD + b",%d" % said + triplets + b"," * crc + b"\r\n"


def one_by_one(data: bytes, crc: bool) -> list[str]:
    wrong = [
        f"record {number}: {why}"
        for number, record in enumerate(io.BytesIO(data), start=1)
        if (why := verify._fault(record, crc))
    ]
    return wrong[: verify.MOST]


PARTS = st.one_of(
    st.builds(line, st.integers(0, 48)),
    st.builds(line, st.integers(0, 60), said=st.integers(0, 99999)),
    st.builds(line, st.integers(1, 48), crc=st.just(True)),
    st.just(line(120)),
    st.sampled_from(
        [b"\r\n", b"\n", b"MEPMD01", b"MEPMD01,,,\r\n", HEAD + b"\r\n", HEAD + b",\r\n",
         HEAD + b",x1,202601120015,,1\r\n", HEAD + b",00001,202601120015,,1\r\n",
         HEAD + b",1,202601120015,,1\n", b'MEPMD01,"a,b"' + line(2)[9:],
         TOTALS + b",202601010000,202602010000,1,A,,5\r\n"]
    ),
    st.binary(max_size=40),
)  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(st.lists(PARTS, max_size=8), st.booleans(), st.integers(1, 4000))
def test_blocks_and_lines_agree(parts, crc, size):
    data = b"".join(parts)
    whole, verify.BLOCK = verify.BLOCK, size
    try:
        assert verify.counts_verify(io.BytesIO(data), crc) == one_by_one(data, crc)
    finally:
        verify.BLOCK = whole


def test_records_that_are_right_are_not_looked_at_one_by_one(monkeypatch):
    monkeypatch.setattr(verify, "_fault", lambda *_: "looked at")
    data = line(48) + line(1)
    assert verify.counts_verify(io.BytesIO(data), False) == []
    assert verify.counts_verify(io.BytesIO(line(2, said=3)), False) == ["record 1: looked at"]
