"""The worked examples of the specification: the same bytes out, the same data back in."""

import hashlib

import pytest

from tests.exports.formats.golden import GOLDEN, golden_check
from tests.exports.formats.lodestar_cases import CASES, Case
from tests.exports.formats.lodestar_tools import read, sent_mask, values_of, write


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "declared"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_example_is_written_to_the_byte(case: Case, compiled: bool) -> None:
    start = {"start": case.series_start} if "cut_days" in case.options else {}
    data, tally = write(
        [case.meter], compiled=compiled, created=case.created, **start, **case.options
    )
    golden_check(f"lodestar/{case.name}.lse", data)
    assert len(data) == case.bytes
    assert hashlib.sha256(data).hexdigest() == case.sha256
    assert (tally.meters, tally.records) == (1, data.count(b"\r\n"))
    assert tally.intervals == len(case.series.ends)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_example_is_read_back(case: Case) -> None:
    data = (GOLDEN / f"lodestar/{case.name}.lse").read_bytes()
    ercot = case.options.get("profile") == "ercot"
    meters, report = read(data, **({"profile": "ercot"} if ercot else {"channel_map": MAP}))
    assert (report.errors, report.warnings) == (0, 0)
    [meter] = meters
    name = meter.device.service_point_id if ercot else meter.device.meter_number
    assert name == (case.meter.device.service_point_id if ercot else "MTR-104477")
    assert meter.device.time_zone == "America/Chicago"
    sent = {
        (None, *key[1:]): (value, sent_mask(mask, False, ercot))
        for key, (value, mask) in values_of(case.meter).items()
    }
    assert values_of(meter) == sent
    [series] = meter.series
    readings = [read.values[0].value for read in case.reads] or [None, None]
    assert [series.start_register, series.end_register] == readings


MAP = "KWH DEL=1;KVARH DEL=3"
