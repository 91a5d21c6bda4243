"""The worked examples of the specification: the same bytes out, the same data back in."""

import hashlib
import io

import pytest

from devices.readings import MeterData
from exports.formats import get
from exports.formats.base import ReadReport
from tests.exports.formats.cmep_cases import CASES, WHOLE_DAYS, Case
from tests.exports.formats.cmep_tools import read, values_of, values_sent, write
from tests.exports.formats.golden import GOLDEN, golden_check

EVERY = [*CASES, *WHOLE_DAYS]


def case_bytes(case: Case, compiled: bool) -> bytes:
    return write(
        [case.meter],
        compiled=compiled,
        created=case.created,
        mode=case.mode,
        sender=case.sender,
        receiver=case.receiver,
        **case.options,
    )[0]


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "declared"])
@pytest.mark.parametrize("case", EVERY, ids=lambda case: case.name)
def test_example_is_written_to_the_byte(case: Case, compiled: bool) -> None:
    data = case_bytes(case, compiled)
    golden_check(f"cmep/{case.name}.txt", data)
    assert len(data) == case.bytes
    assert hashlib.sha256(data).hexdigest() == case.sha256


@pytest.mark.parametrize("case", EVERY, ids=lambda case: case.name)
def test_example_is_read_back(case: Case) -> None:
    data = (GOLDEN / f"cmep/{case.name}.txt").read_bytes()
    options = {key: case.options[key] for key in ("kvarh_sign",) if key in case.options}
    meters, report = read(data, **options)
    sensus = case.options.get("dialect") == "sensus"
    assert (report.errors, report.warnings) == (0, 0)
    [meter] = meters
    assert meter.device.meter_number == case.device.meter_number
    split = case.options.get("missing") == "split"
    assert values_of(meter) == values_sent(case.meter, sensus, split)


def test_golden_files_are_not_rewritten_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPDATE_GOLDEN", "1")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(RuntimeError, match="CI"):
        golden_check("cmep/a_validated.txt", b"")


def test_real_file_is_read_written_and_read_again() -> None:
    data = (GOLDEN.parent / "data/cmep.dat").read_bytes()
    meters, report = read(data)
    assert (report.records, report.errors, report.warnings) == (5, 0, 5)
    assert set(report.codes) == {"CMR53"}
    assert sum(len(meter.reads) for meter in meters) == 125
    assert {meter.reads[0].values[0].unit for meter in meters} == {"GAL", "KWH"}
    assert {meter.reads[0].values[0].flow for meter in meters} == {"DEL", "TOT"}
    written, tally = write(
        sorted(meters, key=lambda meter: meter.device.meter_number),
        dialect="sensus",
        include="registers",
        sender="SENSUS",
    )
    assert (tally.meters, tally.records, tally.registers) == (5, 5, 125)
    again, report = read(written)
    assert (report.errors, report.warnings) == (0, 0)
    assert {m.device: values_of(m) for m in again} == {m.device: values_of(m) for m in meters}


def test_first_real_line_keeps_its_triplets() -> None:
    """From the count on, what is written equals what was read, byte for byte."""
    data = (GOLDEN.parent / "data/cmep.dat").read_bytes()
    meters, _ = read(data)
    written, _ = write(meters[:1], dialect="sensus", include="registers", sender="SENSUS")
    assert written.split(b",")[8:] == (data.splitlines()[0] + b"\r\n").split(b",")[8:]


def test_reading_without_report_or_errors_is_quiet() -> None:
    fmt = get("cmep")
    data = (GOLDEN / "cmep/a_validated.txt").read_bytes()
    meters: list[MeterData] = list(fmt.read(io.BytesIO(data), fmt.options_clean({}, "read")))
    assert len(meters) == 1
    assert ReadReport().issues == []
