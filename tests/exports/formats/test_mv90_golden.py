"""The worked examples of the specification: the same bytes out, the same data back in."""

import hashlib

import numpy as np
import pytest

from exports.formats.mv90.image import image_read, image_write
from tests.exports.formats.golden import golden_check
from tests.exports.formats.mv90_cases import CASES, Case
from tests.exports.formats.records216_tools import read, values, write


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "declared"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_example_is_written_to_the_byte(case: Case, compiled: bool) -> None:
    data, _ = write("mv90", case.data, compiled, **case.words)
    golden_check(f"mv90/{case.name}.MDE", data)
    assert len(data) == case.bytes
    assert hashlib.sha256(data).hexdigest() == case.sha256


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_example_is_read_back(case: Case) -> None:
    data, _ = write("mv90", case.data, **case.words)
    [meter], report = read("mv90", data, zone=case.zone)
    assert (report.errors, report.warnings) == (0, 0)
    assert (meter.device.device_id, meter.device.account_id) == ("UTIL000123", "ACC-0001")
    [found], [source] = meter.series, list(case.data.meters())
    sent = source.series[0]
    assert found.channel[:5] == (1, "KWH", "DEL", sent.channel.seconds, "U")
    assert np.array_equal(found.ends, sent.ends)
    assert values(found) == values(sent)
    readings = [one.values[0].value for one in source.reads]
    assert [found.start_register, found.end_register] == readings


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_example_is_the_same_after_its_image(case: Case) -> None:
    data, _ = write("mv90", case.data, **case.words)
    assert image_write(image_read(data)) == data


def test_the_sums_of_the_examples_are_those_of_the_specification() -> None:
    for case, total in zip(CASES[:2], ("986", "227.75"), strict=True):
        [meter], _ = read("mv90", write("mv90", case.data, **case.words)[0])
        found = [value for value in meter.series[0].values() if value is not None]
        assert f"{sum(found).normalize():f}" == total
