"""The worked examples of the specification: the same bytes out, the same data back in."""

import hashlib
import io

import pytest

from devices.readings import Status
from tests.exports.formats.golden import GOLDEN, golden_check
from tests.exports.formats.rte_cases import CASES, Case, arrivals_of, at
from tests.exports.formats.rte_tools import RTE, context, read, write


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "declared"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_example_is_written_to_the_byte(case: Case, compiled: bool) -> None:
    data, tally = write(
        arrivals_of(case.versions),
        compiled=compiled,
        created=case.created,
        batch_id=case.batch_id,
        first_seq=case.first_seq,
        **case.options,
    )
    golden_check(f"rte/{case.name}.csv", data)
    assert len(data) == case.bytes
    assert hashlib.sha256(data).hexdigest() == case.sha256
    assert tally.records == len(case.versions)


def golden(name: str) -> bytes:
    return (GOLDEN / f"rte/{name}.csv").read_bytes()


def test_the_first_example_is_read_back() -> None:
    [meter], report = read(golden("1_near_term"))
    assert (report.errors, report.warnings, report.records) == (0, 0, 3)
    assert (meter.device.device_id, meter.device.meter_number) == ("SSI0004711", "00123456")
    [series] = meter.series
    assert series.ends.tolist() == [at("2024-04-02T19:15:00Z"), at("2024-04-02T19:30:00Z")]
    assert [str(value) for value in series.values()] == ["1.284", "0.611"]
    short = Status.QUESTIONABLE | Status.POWER_OUTAGE | Status.SHORT
    assert series.status.tolist() == [0, int(short)]
    [total] = meter.reads
    assert (total.read_type, total.source, total.revision) == ("CUR", "NT", 0)
    assert (total.values[0].number, str(total.values[0].value)) == (1, "45839.92")


def test_the_highest_revision_of_a_key_stands() -> None:
    [meter], report = read(golden("2_three_revisions"))
    assert (report.errors, report.warnings) == (0, 0)
    assert [str(value) for value in meter.series[0].values()] == ["1.002"]


def test_both_passes_of_the_repeated_hour_are_read() -> None:
    [meter], report = read(golden("3_autumn_control"), strict="yes")
    assert (report.errors, report.warnings) == (0, 0)
    assert [str(value) for value in meter.series[0].values()] == ["0.740", "0.701", "0.760"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_finished_file_verifies(case: Case) -> None:
    assert RTE.verify(io.BytesIO(golden(case.name)), context()) == []


def test_a_total_off_by_one_does_not_verify() -> None:
    data = golden("3_autumn_control").replace(b"T,20241103080012,3", b"T,20241103080012,4")
    [wrong] = RTE.verify(io.BytesIO(data), context())
    assert "T says 4 I rows, there are 3" in wrong
