"""The read that closes a bill: window, preference, midnight, explanation."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from devices.bestread import Window, bill_choose, bill_reads, read_choose, read_letter
from devices.readings import RegisterRead, RegisterValue, Status

DUE = datetime(2026, 4, 1, 5, tzinfo=UTC)  # midnight in Chicago
E, V, Q, M = Status.ESTIMATED, Status.EDITED, Status.QUESTIONABLE, Status.MISSING


def read(kind="SR", hours=0.0, *masks, revision=0):
    values = tuple(
        RegisterValue("SUM", "KWH", "DEL", rate="TABCD"[place],
                      value=None if mask & M else Decimal(1), status=int(mask))
        for place, mask in enumerate(masks or (0,))
    )  # fmt: skip
    return RegisterRead(DUE + timedelta(hours=hours), kind, values, revision=revision)


def why(choice, one):
    [verdict] = [verdict for verdict in choice.verdicts if verdict.read is one]
    return verdict.why


def test_types_come_in_order_whatever_their_quality_and_place():
    reads = [read("OD"), read("CUR", 1), read("PDR", 2), read("SR", 48, Q)]
    for place in (3, 2, 1, 0):
        choice = read_choose(reads[: place + 1], DUE)
        assert choice.read is reads[place]
    choice = read_choose(reads, DUE)
    assert [v.why for v in choice.verdicts] == [
        "on demand comes after self-read",
        "current registers comes after self-read",
        "previous demand reset comes after self-read",
        "taken: self-read, questionable, 2 d after the due time",
    ]


def test_actual_comes_before_edited_before_estimated_before_questionable():
    reads = [read("SR", 0, Q), read("SR", 1, E), read("SR", 2, V), read("SR", 3, 0)]
    for place in (3, 2, 1, 0):
        assert read_choose(reads[: place + 1], DUE).read is reads[place]
    choice = read_choose(reads, DUE)
    assert why(choice, reads[1]) == "estimated comes after actual"
    assert why(choice, reads[3]) == "taken: self-read, actual, 3 h after the due time"


def test_the_worst_of_the_billed_registers_counts():
    assert read_letter(read("SR", 0, 0, E, V)) == "E"
    unbilled = RegisterValue("CUM", "KW", "DEL", value=Decimal(1), status=int(Q))
    assert read_letter(RegisterRead(DUE, "SR", (*read().values, unbilled))) == "A"
    assert read_letter(RegisterRead(DUE, "SR", (unbilled,))) == "M"


def test_of_equals_the_nearer_one_is_taken():
    reads = [read("SR", -3), read("SR", 2), read("SR", 71.5)]
    choice = read_choose(reads, DUE)
    assert choice.read is reads[1]
    assert why(choice, reads[0]) == "3 h before the due time, the one taken is nearer"
    assert why(choice, reads[2]) == "2 d 23 h after the due time, the one taken is nearer"
    twins = [read("SR", -1), read("SR", 1)]
    choice = read_choose(twins, DUE)
    assert choice.read is twins[0]
    assert why(choice, twins[1]) == "another read as near to the due time is taken"
    later = [read("SR", -1), read("SR", 1, revision=1)]
    assert read_choose(later, DUE).read is later[1]


def test_what_lies_outside_the_window_is_none():
    window = Window(timedelta(days=2), timedelta(hours=12))
    border = [read("SR", -48), read("SR", 12)]
    beyond = [read("SR", -48.01), read("SR", 12.01)]
    for one in border:
        assert read_choose([one], DUE, window=window).read is one
    choice = read_choose(beyond, DUE, window=window)
    assert choice.read is None
    assert why(choice, beyond[0]) == "more than 2 d before the due time"
    assert why(choice, beyond[1]) == "more than 12 h after the due time"


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (read("SR", 0, 0, M), "a value is missing"),
        (read("PSN"), "a read of type previous season closes no bill"),
    ],
)
def test_what_closes_no_bill(one, reason):
    choice = read_choose([one, read("OD")], DUE)
    assert choice.read.read_type == "OD"
    assert why(choice, one) == reason


def test_a_read_at_the_midnight_between_two_cycles_closes_the_old_one():
    midnight, later = read("SR", 0), read("CUR", 20)
    old = read_choose([midnight, later], DUE, window=Window(timedelta(days=40), timedelta(days=3)))
    assert old.read is midnight
    new = read_choose(
        [read("SR", -30), midnight, later],
        DUE + timedelta(days=1),
        window=Window(timedelta(days=40), timedelta(days=3)),
        opened=old.read.time,
    )
    assert new.read is later
    assert [v.why for v in new.verdicts[:2]] == [
        "it is of a cycle before", "it closed the cycle before",
    ]  # fmt: skip


def test_what_lies_outside_the_window_is_told_apart():
    choice = read_choose([read("SR", -73), read("SR", -1), read("PSN")], DUE)
    assert [verdict.near for verdict in choice.verdicts] == [False, True, True]


def test_no_reads_no_choice():
    assert read_choose([], DUE) == (None, ())
    assert read_choose([read("SR", 0.005)], DUE).verdicts[0].why.endswith("18 s after the due time")


# --- a meter's part of a cycle -------------------------------------------------------------------

OPENS = DUE - timedelta(days=31)
MONTH = -31 * 24


def test_the_closing_read_of_one_cycle_opens_the_next():
    reads = [read("SR", MONTH), read("CUR", MONTH + 1), read("SR", 0), read("OD", 5)]
    bill = bill_choose(reads, OPENS, DUE)
    assert (bill.opening.read, bill.closing.read) == (reads[0], reads[2])
    assert bill_choose(reads, DUE, DUE + timedelta(days=30)).opening.read is reads[2]
    assert bill_reads(bill, came=False) == [reads[2]]


def test_a_short_cycle_is_not_closed_by_what_opened_it():
    reads = [read("SR", -24), read("CUR", 0)]
    bill = bill_choose(reads, DUE - timedelta(days=1), DUE)
    assert (bill.opening.read, bill.closing.read) == (reads[0], reads[1])
    assert bill_choose([read("SR", -25)], DUE - timedelta(days=1), DUE).closing.read is None
    # Nothing opened it: what lies at its beginning closed the cycle before all the same.
    only = [read("SR", -24 * 9)]
    wide = Window(timedelta(days=20), timedelta(0))
    last = bill_choose([read("PSN", -24 * 9), *only], DUE - timedelta(days=8), DUE, window=wide)
    assert last.closing.read is None


def test_a_meter_that_went_is_closed_by_its_last_read_whatever_its_type():
    reads = [read("SR", -30), read("OD", -1), read("CUR", 2)]
    bill = bill_choose(reads, OPENS, DUE, went=True)
    assert bill.closing.read is reads[1]
    assert why(bill.closing, reads[0]) == ("1 d 6 h before the due time, the one taken is nearer")
    assert why(bill.closing, reads[2]) == "more than 0 s after the due time"


def test_a_meter_that_came_is_opened_by_its_first_read_and_sends_it():
    reads = [read("SR", MONTH - 1), read("OD", MONTH + 1), read("SR", MONTH + 9), read("SR", 0)]
    bill = bill_choose(reads, OPENS, DUE, came=True)
    assert bill.opening.read is reads[1]
    assert bill_reads(bill, came=True) == [reads[1], reads[3]]
    assert bill_reads(bill_choose([], OPENS, DUE, came=True), came=True) == []
