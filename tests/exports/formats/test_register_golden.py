"""The worked examples of the register formats: the same bytes out, the same data back in."""

import hashlib

import pytest

from tests.exports.formats.golden import GOLDEN, golden_check
from tests.exports.formats.register_cases import CASES, Case
from tests.exports.formats.register_tools import read, write


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_example_is_written_to_the_byte(case: Case) -> None:
    when = {name: getattr(case, name) for name in ("created", "batch", "start", "end")}
    data, _ = write(case.format, case.meters, when, **case.options)
    golden_check(case.name, data)
    assert len(data) == case.bytes
    assert hashlib.sha256(data).hexdigest() == case.sha256


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_example_is_read_without_a_word(case: Case) -> None:
    meters, report = read(case.format, (GOLDEN / case.name).read_bytes())
    assert (report.errors, report.warnings) == (0, 0), report.issues
    assert sum(len(m.reads) for m in meters) == len(case.reads)
