"""A second look at a file's bytes by columns finds what a look line by line finds."""

import io
from contextlib import AbstractContextManager, nullcontext
from unittest import mock

import pytest
from hypothesis import given, settings, strategies as st

from devices.readings import MeterData
from exports.formats import get
from exports.formats.btf import verify as btf
from exports.formats.rde import verify as rde
from tests.exports.formats.register_strategies import DEVICES, meters_reads
from tests.exports.formats.register_tools import context, write

SEEN = {"btf": btf.Seen, "rde": rde.Seen}
DAMAGE = st.sampled_from(b"0159.-AEMVSUX")
CASES = {"btf": ("btf", {}), "implied point": ("btf", {"layout": "0101"}), "rde": ("rde", {})}


def looked(code: str, data: bytes, by_lines: bool, **options: str) -> list[str] | type[Exception]:
    """What the second look has to say of a file."""
    plain: AbstractContextManager[object] = nullcontext()
    if by_lines:
        plain = mock.patch.object(SEEN[code], "_rows", return_value=False)
    with plain:
        try:
            return get(code).verify(io.BytesIO(data), context(code, **options))
        except (ValueError, ArithmeticError) as error:
            return type(error)


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=25, deadline=None)
@given(
    kinds=st.lists(st.tuples(DEVICES, meters_reads()), min_size=1, max_size=3),
    places=st.lists(
        st.tuples(st.integers(0, 10**5), st.sampled_from(b"0159.-AEMVSUX")), max_size=3
    ),
    length=st.integers(0, 2000),
)
def test_columns_and_lines_find_the_same(name, kinds, places, length):
    code, options = CASES[name]
    meters = [
        MeterData(device._replace(meter_number=f"M{place}"), reads=tuple(reads))
        for place, (device, reads) in enumerate(kinds)
    ]
    data = bytearray(write(code, meters, on_error="skip_meter", **options)[0])
    first = data.index(b"\n") + 1
    last = data[:-1].rindex(b"\n") + 1
    for place, byte in places:
        if last > first and data[at := first + place % (last - first)] not in b'\r\n",':
            data[at] = byte
    if length > 1900 and last > first:
        del data[first + length % (last - first)]
    damaged = bytes(data)
    assert looked(code, damaged, False, **options) == looked(code, damaged, True, **options)
    assert places or length > 1900 or looked(code, damaged, False, **options) == []
