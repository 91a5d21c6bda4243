"""The live export's rows: what arrived in a range of batch numbers, each version once."""

import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from devices import journal
from devices.models import Batch, Installation, Membership, RegisterTemplate
from devices.readings import DAY, RegisterRead, RegisterValue, Status
from exports.rte import arrivals_for_range
from exports.scope import Selection
from tests.devices.factories import batch_post, channel_make, day_of, device_make, entry_of
from tests.devices.fleet import make_group
from tests.exports.formats.rte_tools import RTE, context

pytestmark = pytest.mark.django_db

D = day_of(2024, 4, 2)
NOON = datetime(2024, 4, 2, 12, tzinfo=UTC)
LONG_AGO = datetime(2024, 1, 1, tzinfo=UTC)
ESTIMATED = int(Status.ESTIMATED)


def rows(after: int = 0, upto: int | None = None, *selected: object, **words) -> list[list[str]]:
    """The rows of the live file of a range, cell by cell."""
    sources = {name: words.pop(name) for name in ("intervals", "registers") if name in words}
    chosen = selected[0] if selected else Selection()
    upto = journal.horizon() if upto is None else upto
    out = io.BytesIO()
    words = {"names": "no", "send_missing": "yes", "zone": "UTC", **words}
    lots = arrivals_for_range(after, upto, chosen, **sources)
    RTE.write_arrivals(lots, context(**words), out)
    return [line.split(",") for line in out.getvalue().decode().splitlines()]


def columns(found: list[list[str]], *places: int) -> list[tuple[str, ...]]:
    """Some columns (from 1, as the specification counts) of each row."""
    return [tuple(row[place - 1] for place in places) for row in found]


def device_at(name: str = "SSI1", point: str = "SP-1", **fields):
    device = device_make(name, meter_number=f"M{name}", **fields)
    Installation.objects.create(device=device, valid_from=LONG_AGO, service_point_id=point)
    return device


def total_of(value: str, number: int | None = 1, kind: str = "CUR") -> RegisterRead:
    register = RegisterValue("SUM", "KWH", "DEL", value=Decimal(value), number=number)
    return RegisterRead(NOON, kind, (register,), source="NT")


def test_a_row_says_everything_the_table_asks_for():
    channel = channel_make(device_at())
    batch_post(
        [entry_of(channel, D, 57, [1284], ESTIMATED)],
        received=datetime(2024, 4, 2, 14, 41, 3, 900_000, tzinfo=UTC),
    )
    [row] = rows()
    assert ",".join(row) == (
        "I,1,SSI1,MSSI1,SP-1,1,KWH,DEL,2024-04-02T14:30:00Z,900,1.284,U,1,Y,E,2.8.0,"
        "2024-04-02T14:41:03Z,SC,0"
    )


def test_rows_come_in_journal_order_with_their_revisions():
    channel = channel_make(device_at())
    batch_post([entry_of(channel, D, 4, [None, 7])])
    batch_post([entry_of(channel, D, 0, [3])])  # late
    batch_post([entry_of(channel, D, 4, [98], ESTIMATED)])
    batch_post([entry_of(channel, D, 4, [98], ESTIMATED)])  # says nothing new
    batch_post([entry_of(channel, D, 4, [102])])
    expected = [
        ("1", "2024-04-02T01:15:00Z", "", "M", "0"),
        ("2", "2024-04-02T01:30:00Z", "0.007", "A", "0"),
        ("3", "2024-04-02T00:15:00Z", "0.003", "A", "0"),
        ("4", "2024-04-02T01:15:00Z", "0.098", "E", "1"),
        ("5", "2024-04-02T01:15:00Z", "0.102", "A", "2"),
    ]
    assert columns(rows(), 2, 9, 11, 15, 19) == expected
    journal.fold_all()
    assert columns(rows(), 2, 9, 11, 15, 19) == expected


def test_a_retry_makes_the_same_bytes_after_more_has_come():
    channel = channel_make(device_at())
    for value in (1, 2, 3):
        batch_post([entry_of(channel, D, 0, [value, value])])
    first = rows(0, 2, first_seq="7")
    batch_post([entry_of(channel, D, 0, [9])])
    journal.fold_all()
    assert rows(0, 2, first_seq="7") == first
    assert columns(first, 2, 11, 19) == [
        *(("7", "0.001", "0"), ("8", "0.001", "0"), ("9", "0.002", "1"), ("10", "0.002", "1")),
    ]


def test_however_ranges_are_cut_each_version_is_there_once():
    channel = channel_make(device_at())
    for number in range(12):
        batch_post([entry_of(channel, D, number % 4, [number, number % 3, None])])
        if number % 5 == 0:
            journal.fold_step()
    whole = rows()
    for step in (1, 2, 5, 7):
        parts: list[list[str]] = []
        for after in range(0, 12, step):
            upto = min(after + step, 12)
            parts += rows(after, upto, first_seq=str(len(parts) + 1))
        assert parts == whole
    assert [row[1] for row in whole] == [str(n + 1) for n in range(len(whole))]
    keys = [(row[8], row[18]) for row in whole]
    assert len(set(keys)) == len(keys)


def test_totals_stand_behind_the_intervals_of_their_batch():
    device = device_at()
    channel = channel_make(device)
    batch_post([entry_of(channel, D, 0, [1])], [(device.pk, total_of("45839.92"))])
    batch_post([entry_of(channel, D, 1, [2])], [(device.pk, total_of("45840"))])
    assert columns(rows(), 1, 2, 6, 9, 10, 11, 12, 18, 19) == [
        ("I", "1", "1", "2024-04-02T00:15:00Z", "900", "0.001", "U", "SC", "0"),
        ("R", "2", "1", "2024-04-02T12:00:00Z", "", "45839.92", "X", "NT", "0"),
        ("I", "3", "1", "2024-04-02T00:30:00Z", "900", "0.002", "U", "SC", "0"),
        ("R", "4", "1", "2024-04-02T12:00:00Z", "", "45840", "X", "NT", "1"),
    ]
    assert [row[0] for row in rows(registers=False)] == ["I", "I"]
    assert [row[0] for row in rows(intervals=False)] == ["R", "R"]


def test_a_total_without_a_number_has_that_of_its_class():
    device = device_at()
    RegisterTemplate.objects.create(
        device_class=device.device_class, number=12, register_class="SUM", unit="KWH", rate="T"
    )
    batch_post([], [(device.pk, total_of("5", None))])
    assert columns(rows(), 6) == [("12",)]


def test_a_total_without_any_number_is_left_out_by_name():
    batch_post([], [(device_at().pk, total_of("5", None))])
    out = io.BytesIO()
    tally = RTE.write_arrivals(arrivals_for_range(0, 1), context(names="no"), out)
    assert out.getvalue() == b""
    assert [(item.device.device_id, item.code) for item in tally.left_out] == [("SSI1", "RTE04")]


def test_a_large_batch_comes_in_lots_in_one_order(monkeypatch: pytest.MonkeyPatch):
    device = device_at()
    channels = [channel_make(device, number=n) for n in range(1, 6)]
    batch_post(
        [entry_of(channel, D, 0, list(range(20))) for channel in channels],
        [(device.pk, total_of("1"))],
    )
    batch_post([entry_of(channels[0], D, 0, [5])], [(device.pk, total_of("2"))])
    whole = rows()
    monkeypatch.setattr("devices.journal.versions.LOT_CELLS", 30)
    assert rows() == whole
    assert [row[0] for row in whole] == [*["I"] * 100, "R", "I", "R"]


# --- who and where --------------------------------------------------------------------------------


@pytest.fixture
def pair() -> tuple:
    """Two devices of two channels, with a batch each."""
    made = []
    for name in ("SSI1", "SSI2"):
        device = device_at(name)
        own = [channel_make(device), channel_make(device, number=2, unit="KVARH")]
        batch_post(
            [entry_of(channel, D, 0, [1, 2]) for channel in own], [(device.pk, total_of("3"))]
        )
        made.append(device)
    return tuple(made)


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(devices=("SSI2",)), ["SSI2"] * 5),
        (Selection(channels=(2,), devices=("SSI1",)), ["SSI1"] * 3),
        (Selection(units=("KVARH",), devices=("SSI1",)), ["SSI1"] * 3),
        (Selection(groups=("NONE",)), []),
        (Selection(), ["SSI1"] * 5 + ["SSI2"] * 5),
    ],
)
def test_a_selection_picks(pair, selection, expected):
    assert [row[2] for row in rows(0, None, selection)] == expected


def test_a_group_has_what_was_measured_while_it_had_the_meter(pair):
    group = make_group("CYCLE01")
    begun = datetime(2024, 4, 2, 0, 15, tzinfo=UTC)  # the first interval ends with it
    Membership.objects.create(device=pair[0], group=group, kind=group.kind, valid_from=begun)
    found = rows(0, None, Selection(groups=("CYCLE01",)))
    assert columns(found, 1, 3, 9) == [
        *[("I", "SSI1", "2024-04-02T00:30:00Z")] * 2,
        ("R", "SSI1", "2024-04-02T12:00:00Z"),
    ]


def test_a_moved_meter_is_where_it_was_with_the_multiplier_it_had():
    device = device_at()
    moved = datetime(2024, 4, 2, 0, 15, tzinfo=UTC)
    Installation.objects.update(valid_to=moved, multiplier=Decimal(40))
    Installation.objects.create(device=device, valid_from=moved, service_point_id="SP-2")
    batch_post([entry_of(channel_make(device), D, 0, [1, 2])], [(device.pk, total_of("3"))])
    assert columns(rows(), 1, 5, 13) == [
        ("I", "SP-1", "40"),
        ("I", "SP-2", "1"),
        ("R", "SP-2", "1"),
    ]


def test_one_day_intervals_and_odd_batches():
    zone = "America/Chicago"
    daily = channel_make(device_at(), seconds=DAY, zone=zone, grid_offset=-21600)
    batch_post([entry_of(daily, day_of(2024, 3, 10), 0, [9])])
    Batch.objects.update(source="near-term")
    found = rows(zone=zone)
    assert columns(found, 9, 10, 18) == [("2024-03-11T00:00:00-05:00", "86400", "NT")]


def test_a_withdrawal_takes_back_what_was_sent_though_gaps_are_not_sent():
    channel = channel_make(device_at())
    batch_post([entry_of(channel, D, 0, [5, None])])
    batch_post([journal.withdrawal_entry(channel.pk, D, 0, 1)])
    assert columns(rows(send_missing="no"), 11, 15, 16, 19) == [
        ("0.005", "A", "", "0"),
        ("", "M", "2.5.259", "1"),
    ]


def test_a_range_that_is_no_longer_kept_is_refused():
    channel = channel_make(device_at())
    batch_post([entry_of(channel, D, 0, [5])])
    journal.fold_all()
    journal.purge(before=datetime.now(UTC) + timedelta(days=1))
    with pytest.raises(journal.HorizonGone):
        rows()
