"""The registry, the base class, options, contexts and reports."""

import io
import sys
from datetime import UTC, datetime
from decimal import Decimal
from types import ModuleType
from typing import Any

import pytest

from devices.readings import Channel, DeviceInfo, Frame
from exports import formats
from exports.formats.base import (
    Format,
    FormatError,
    Option,
    OptionError,
    ReadReport,
    Tally,
    WriteContext,
    refusal,
)
from exports.formats.issues import ISSUES_KEPT

NOW = datetime(2026, 3, 15, 6, 10, tzinfo=UTC)


class Utility(Format):
    code = "utility"
    label = "A utility's own"
    extension = "dat"


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> dict[str, Format]:
    """The registry's content, restored afterwards."""
    kept = dict(formats._formats)
    monkeypatch.setattr(formats, "_formats", kept)
    return kept


def module(monkeypatch: pytest.MonkeyPatch, **content: Any) -> str:
    made = ModuleType("utility_formats")
    vars(made).update(content)
    monkeypatch.setitem(sys.modules, "utility_formats", made)
    return "utility_formats"


def test_formats_are_found_by_code() -> None:
    assert formats.get("cmep").code == "cmep"
    assert "cmep" in formats.codes()
    assert [fmt.code for fmt in formats.every()] == formats.codes()
    with pytest.raises(formats.UnknownFormat, match=r"no format 'cnep'; there are: .*cmep"):
        formats.get("cnep")


def test_a_format_outside_the_tree(
    registry: dict[str, Format], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = module(monkeypatch, FORMAT=Utility())
    formats.load_formats([name])
    formats.load_formats([name])
    assert formats.get("utility").label == "A utility's own"
    formats.load_formats([module(monkeypatch, FORMATS=[Utility()])])


def test_a_module_without_a_format(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TypeError, match="neither FORMAT nor FORMATS"):
        formats.load_formats([module(monkeypatch)])


def test_a_duplicate_code_is_refused(registry: dict[str, Format]) -> None:
    class Twin(Utility):
        pass

    formats.register(Utility())
    with pytest.raises(ValueError, match="'utility' is that of Utility, Twin needs another"):
        formats.register(Twin())


def test_every_format_says_who_it_is() -> None:
    for fmt in formats.every():
        assert fmt.code == fmt.code.lower()
        assert fmt.label
        assert fmt.extension
        assert fmt.intervals or fmt.registers or fmt.events
        assert len({option.name for option in fmt.options}) == len(fmt.options)
        for option in fmt.options:
            assert option.help
            assert option.default is None or option.clean(option.default) == option.default


def test_a_format_without_writer_or_reader_says_so() -> None:
    plain, out = Utility(), io.BytesIO()
    with pytest.raises(NotImplementedError, match="utility is not writable"):
        plain.write([Frame([])], context(), out)
    with pytest.raises(NotImplementedError, match="utility is not readable"):
        list(plain.read(out, {}))
    assert plain.order({}) == "meter_number"
    assert plain.device("E1", {}) == DeviceInfo("", "E1")
    assert not plain.wants_intervals({})
    assert not plain.wants_registers({})


# --- options ------------------------------------------------------------------------------------

EVERY_KIND = (
    Option("word", "choice", "OneTwo", "h", choices=("OneTwo", "three")),
    Option("flag", "yes_no", False, "h"),
    Option("size", "integer", 4, "h", minimum=1, maximum=9),
    Option("free", "integer", None, "h"),
    Option("weight", "decimal", None, "h"),
    Option("name", "text", "", "h", maximum=3),
    Option("zone", "zone", "UTC", "h", use="read"),
    Option("labels", "map", None, "h", use="both"),
)


class Optional(Utility):
    options = EVERY_KIND


def cleaned(**given: object) -> dict[str, Any]:
    return Optional().options_clean(given)


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("word", "one_two", "OneTwo"),
        ("word", "THREE", "three"),
        ("flag", "Yes", True),
        ("flag", True, True),
        ("flag", "0", False),
        ("size", "9", 9),
        ("size", 1, 1),
        ("free", "-70000", -70000),
        ("weight", "0.10", Decimal("0.10")),
        ("name", "abc", "abc"),
        ("name", "", ""),
        ("zone", "America/Chicago", "America/Chicago"),
        ("labels", "A=ON-PEAK; B=OFF", {"A": "ON-PEAK", "B": "OFF"}),
        ("labels", {"A": "X"}, {"A": "X"}),
        ("word", "", "OneTwo"),
        ("word", None, "OneTwo"),
    ],
)
def test_values_of_options(name: str, given: object, value: object) -> None:
    assert cleaned(**{name: given})[name] == value


@pytest.mark.parametrize(
    ("name", "given", "allowed"),
    [
        ("word", "four", "one of OneTwo, three"),
        ("flag", "perhaps", "yes or no"),
        ("size", "10", "a whole number 1 to 9"),
        ("size", "x", "a whole number 1 to 9"),
        ("size", True, "a whole number 1 to 9"),
        ("weight", "NaN", "a decimal number"),
        ("weight", "1,5", "a decimal number"),
        ("name", "abcd", "a text of at most 3 characters"),
        ("zone", "Mars/Olympus", "a time zone's name"),
        ("zone", "../etc", "a time zone's name"),
        ("labels", "A", "KEY=VALUE;KEY=VALUE"),
    ],
)
def test_a_bad_value_names_the_option_and_what_is_allowed(
    name: str, given: object, allowed: str
) -> None:
    with pytest.raises(OptionError, match=allowed) as caught:
        cleaned(**{name: given})
    assert caught.value.option == name
    assert f"option {name}: {given!r} is not allowed" in str(caught.value)


def test_an_unknown_option_lists_the_known_ones() -> None:
    with pytest.raises(OptionError, match="utility has no option 'wrod'; it has: flag, free, lab"):
        cleaned(wrod=1)
    with pytest.raises(OptionError, match="no option 'zone' for write"):
        Optional().options_clean({"zone": "UTC"}, "write")
    assert set(Optional().options_clean({}, "read")) == {"zone", "labels"}


def test_defaults_as_they_are_typed() -> None:
    assert [option.default_text for option in EVERY_KIND] == [
        *("OneTwo", "no", "4", "", ""),
        *("", "UTC", ""),
    ]
    assert Option("x", "yes_no", True, "h").default_text == "yes"


# --- context, tally, reports --------------------------------------------------------------------


def context(**words: Any) -> WriteContext:
    given = {"created": NOW, "batch_id": "20260315061000", "start": NOW, "end": NOW, "options": {}}
    return WriteContext(**(given | words))


def test_contexts_are_checked() -> None:
    with pytest.raises(FormatError, match="FMT01: time without zone"):
        context(start=NOW.replace(tzinfo=None))
    with pytest.raises(ValueError, match="mode 'XX' is none of OR, IN, RE, CO"):
        context(mode="XX")
    with pytest.raises(ValueError, match="batch id '7' is not 14 digits"):
        context(batch_id="7")
    assert context(mode="RE").gaps_are_missing
    assert not context(mode="IN").gaps_are_missing


def test_tallies_of_parts_merge() -> None:
    whole, channel = Tally(), Channel(1, "A", "DEL", 900, "V", Decimal(1))
    for part in range(3):
        tally = Tally(1, 2, 3, 4, 5)
        tally.warn("W", f"example {part}", 3)
        tally.leave_out(DeviceInfo("D1"), channel, refusal("FMT08", unit="A", flow="DEL"))
        whole.merge(tally)
    assert (whole.meters, whole.records, whole.intervals) == (3, 6, 9)
    assert (whole.registers, whole.missing, len(whole.left_out)) == (12, 15, 3)
    assert whole.warnings.counts == {"W": 9, "FMT08": 3}
    assert whole.warnings.lines()[1] == "W (9): example 0; example 1; example 2"


def test_examples_of_warnings_are_bounded() -> None:
    tally = Tally()
    for number in range(100):
        tally.warn("W", str(number))
    assert (tally.warnings.counts["W"], len(tally.warnings.examples["W"])) == (100, 5)


def test_issues_kept_are_bounded_but_all_are_counted() -> None:
    report = ReadReport()
    for number in range(ISSUES_KEPT + 5):
        report.warn("W", "odd", record=number, offset=0)
    report.error("E", "bad", record=7, offset=9, field="value")
    assert (report.warnings, report.errors, len(report.issues)) == (1005, 1, 1000)
    assert report.codes == {"W": 1005, "E": 1}


def test_a_refusal_names_code_format_meter_place_and_instant() -> None:
    error = refusal("FMT12", why="both").at(format="cmep", meter="E1", where="2", instant=NOW)
    assert str(error.at(meter="other")) == (
        "FMT12 CMEP E1/2 2026-03-15T06:10:00Z: value and missing mark disagree: both"
    )
    assert str(refusal("FMT18")) == "FMT18: period is not a whole number of intervals"
