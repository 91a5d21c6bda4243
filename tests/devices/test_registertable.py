"""A read as a bill shows it: a row a quantity, a column a rate; what changed; the plot."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from devices.consumption import Reading, usage
from devices.readings import RegisterValue, Status
from devices.registertable import changes, table, value_name
from devices.usageplots import describe, usage_blocks

PEAK = datetime(2026, 3, 18, 21, 45, tzinfo=UTC)


def value(register_class, unit, rate="T", amount="1.0", **more):
    return RegisterValue(
        register_class, unit, more.pop("flow", "DEL"), rate, Decimal(amount), **more
    )


VALUES = (
    value("MAX", "KW", "A", "9.50", peak_time=PEAK),
    value("MAX", "KW", amount="12.480"),
    value("MAX", "KW", amount="11", occurrence=2, peak_time=PEAK),
    value("SUM", "KWH", "B", "100.10"),
    value("SUM", "KWH", amount="300"),
    value("SUM", "KWH", flow="REC", amount="7"),
)


def test_a_row_a_quantity_and_a_column_a_rate():
    found = table(VALUES)
    assert found.rates == ("T", "A", "B")
    assert [row.name for row in found.rows] == [
        "summation, active energy, delivered",
        "summation, active energy, received",
        "maximum demand, active power, delivered",
        "maximum demand (2), active power, delivered",
    ]
    energy, received, demand, second = found.rows
    assert [cell and cell.value for cell in energy.cells] == ["300", None, "100.10"]
    assert [cell and cell.value for cell in received.cells] == ["7", None, None]
    assert (demand.peaks, energy.peaks) == (True, False)
    assert [cell and cell.peak_time for cell in demand.cells] == [None, PEAK, None]
    assert second.cells[0].peak_time == PEAK


def test_a_missing_value_is_a_dash_and_its_letter_is_told():
    [row] = table([RegisterValue("SUM", "KWH", "DEL", status=int(Status.MISSING))]).rows
    assert (row.cells[0].value, row.cells[0].letter, row.cells[0].status) == ("–", "M", "missing")


def test_a_quantity_without_direction_and_an_unknown_one():
    assert value_name(value("SUM", "GAL")) == "summation, volume, gallons"
    assert value_name(value("SUM", "BTU", "C")) == "summation, delivered, rate C"


def test_a_version_tells_what_it_changed():
    after = (VALUES[0], value("SUM", "KWH", amount="301", status=int(Status.EDITED)))
    [change] = changes(VALUES, after)
    assert (change.name, change.was.value, change.now.value, change.now.letter) == (
        *("summation, active energy, delivered", "300", "301", "V"),
    )
    assert [change.was for change in changes((), after)] == [None, None]


def test_steps_are_drawn_with_their_marks():
    days = [(0, "999980"), (10, "999995"), (20, "4"), (30, "2")]
    readings = [
        Reading("M1", PEAK + timedelta(days=day), value("SUM", "KWH", amount=amount, dials=6))
        for day, amount in days
    ]
    other = value("SUM", "KWH", amount="0", status=int(Status.ESTIMATED))
    readings += [Reading("M2", PEAK + timedelta(days=d), other) for d in (31, 40)]
    steps = usage(readings).steps
    svg = usage_blocks(steps, "Energy <del>", "KWH", "America/Chicago", key="k")
    for words in ("rolled over", "went back", "meter exchanged", 'class="block estimated"'):
        assert words in svg
    assert "Energy &lt;del&gt;" in svg
    assert svg.count('class="gap"') == 2
    assert "5 steps between reads; most, 15 KWH" in describe(steps, "KWH")
