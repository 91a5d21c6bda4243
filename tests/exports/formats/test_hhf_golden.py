"""The worked examples of the specification: the same bytes out, the same data back in."""

import hashlib
from decimal import Decimal

import numpy as np
import pytest

from devices.readings import RegisterValue
from exports.formats.hhf.tables import METER_HEADER
from tests.exports.formats.golden import golden_check
from tests.exports.formats.hhf_cases import CASES, CLOCKS
from tests.exports.formats.mv90_cases import Case
from tests.exports.formats.records216_tools import at, patch, read, values, write


def example(case: Case, compiled: bool = True) -> bytes:
    data, _ = write("hhf", case.data, compiled, **case.words)
    return patch(data, 1, METER_HEADER.field("meter_clock").start, CLOCKS)


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "declared"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_example_is_written_to_the_byte(case: Case, compiled: bool) -> None:
    data = example(case, compiled)
    golden_check(f"hhf/{case.name}.hhx", data)
    assert len(data) == case.bytes
    assert hashlib.sha256(data).hexdigest() == case.sha256


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_example_is_read_back(case: Case) -> None:
    [meter], report = read("hhf", example(case))
    assert (report.errors, report.warnings) == (0, 0)
    device = meter.device
    assert (device.device_id, device.serial_number) == ("UTIL000123", "SN12345678")
    [found], [source] = meter.series, list(case.data.meters())
    sent = source.series[0]
    assert found.channel[:5] == (1, "KWH", "DEL", 900, "U")
    assert np.array_equal(found.ends, sent.ends)
    assert values(found) == values(sent)
    readings = [one.values[0].value for one in source.reads]
    assert [found.start_register, found.end_register] == readings


def test_the_register_entry_comes_back_and_missing_data_make_no_event() -> None:
    [meter], _ = read("hhf", example(CASES[0]))
    [entry] = meter.reads
    assert (entry.time, entry.read_type, entry.received) == (
        *(at("202403020000"), "CUR"),
        at("202403020010"),
    )
    assert entry.values == (
        RegisterValue(
            *("SUM", "KWH", "DEL"),
            number=1,
            value=Decimal(1996),
            multiplier=Decimal(1),
            multiplier_applied=True,
        ),
    )
    assert meter.events == ()
