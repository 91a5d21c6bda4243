"""The compiled lines are those of the declaration, for any read."""

import pytest
from hypothesis import given, reject, settings, strategies as st

from devices.readings import DeviceInfo, MeterData
from exports.formats.base import FormatError
from tests.exports.formats.register_plain import body
from tests.exports.formats.register_strategies import DEVICES, meters_reads
from tests.exports.formats.register_tools import context, write

FORMATS = {
    "idf": {"register_types": "TOT,MAX,CUM,CCUM,PRES,COIN"},
    "idf in another order": {"fields": "PeakGMTOffset,MeterID,Reading,PeakTimestamp,TOURate"},
    "rde": {},
    "rde without nulls": {"null_registers": "omit", "remove_multiplier": True},
    "rde in wide": {"profile": "wide"},
    "btf": {},
    "btf implied": {"layout": "0101", "remove_multiplier": True},
}


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=25, deadline=None)
@given(data=st.data(), device=DEVICES, zone=st.sampled_from([None, "UTC"]))
def test_compiled_lines_are_the_declared_ones(
    name: str, data: st.DataObject, device: DeviceInfo, zone: str | None
) -> None:
    reads = data.draw(meters_reads(occurrences=2, wide="wide" in name))
    code, words = name[:3], FORMATS[name] | {"zone": zone}
    try:
        written, _ = write(code, [MeterData(device, reads=tuple(reads))], **words)
    except FormatError:  # a quotient too wide
        reject()
    wanted = body(code, device, reads, context(code, **words))
    found = [line for line in written.split(b"\r\n") if line]
    heads = {b"%H", b"RDEH", b"RDET", b"BTFH", b"BTFT", b"Mete"}
    found = [line for line in found if line[:4] not in heads and line[:2] not in heads]
    if code == "btf":
        found = [line[:4] + b"0" * 9 + line[13:] for line in found]
    if words.get("profile") == "wide":
        found = written.split(b"\r\n")[1:-1]
    assert found == wanted
