"""Flows: what arrives goes out in files that go on from each other, whatever happens between."""

import io
from datetime import timedelta

import pytest
from django.utils import timezone

from devices import journal
from devices.models import Batch, Device, Installation
from exports import formats, services
from exports.models import Backlog, Delivery, Destination, ExportDefinition, ExportRun
from exports.rte import arrivals_for_range
from exports.services.archive import purge_bound
from exports.services.deliveries import deliver_next
from exports.services.flows import flows_flush, flows_wait
from exports.services.requests import context_of
from tests.exports.factories import (
    START,
    definition_make,
    directory_make,
    file_text,
    meters_make,
    readings_post,
    work_all,
)

pytestmark = pytest.mark.django_db
LATER = timedelta(seconds=11)


@pytest.fixture(autouse=True)
def data_dir(settings, tmp_path):
    settings.DATA_DIR = tmp_path / "var"
    settings.DATA_DIR.mkdir()


@pytest.fixture
def meters():
    return meters_make(2)


def flow_make(**fields) -> ExportDefinition:
    fields = {"format": "rte", "period": "since_last", "zone": "UTC", **fields}
    return definition_make("NEARTERM", **fields)


def flush() -> list[ExportRun]:
    """What a worker does when the time has come; the runs that it made, to their end."""
    before = set(ExportRun.objects.values_list("pk", flat=True))
    assert flows_flush(timezone.now() + LATER)
    work_all()
    return list(ExportRun.objects.exclude(pk__in=before).order_by("pk"))


def rows(run: ExportRun) -> list[list[str]]:
    return [line.split(",") for line in file_text(run).splitlines()[1:]]


def values(run: ExportRun) -> list[tuple[str, ...]]:
    """Seq, device, end of interval, value and revision of each row."""
    return [(row[1], row[2], row[8][11:16], row[10], row[18]) for row in rows(run)]


# --- when -----------------------------------------------------------------------------------------


def test_a_file_comes_some_seconds_after_the_first_reading(meters):
    flow = flow_make()
    assert not flows_flush(timezone.now() + LATER)
    readings_post(meters, values=[1])
    received = Batch.objects.get().received
    readings_post(meters, values=[2])
    assert flows_wait()
    assert not flows_flush(received + timedelta(seconds=9.9))
    assert flows_flush(received + timedelta(seconds=10))
    assert not flows_flush(received + timedelta(seconds=10))  # it has a run
    work_all()
    run = flow.runs.get()
    assert (run.trigger, run.state, run.first_received) == ("flow", "done", received)
    assert len(rows(run)) == 4
    assert not flows_wait()


def test_or_as_soon_as_there_are_rows_enough(meters):
    flow_make(flush_rows=3 * 96)
    readings_post(meters)
    assert not flows_flush()
    readings_post(meters)
    assert flows_flush()


def test_or_by_a_schedule_and_only_by_it(meters):
    flow = flow_make(schedule="*/5 * * * *")
    readings_post(meters, values=[1])
    assert not flows_flush(timezone.now() + LATER)
    assert services.schedules_tick(flow.next_due) == 1
    work_all()
    assert [row[0] for row in values(flow.runs.get())] == ["1", "2"]


def test_a_resting_flow_and_a_batch_of_events_alone_make_no_run(meters):
    flow = flow_make()
    Batch.objects.filter(number=readings_post([])).update(events=3, intervals=0)
    assert not flows_flush(timezone.now() + LATER)
    flow.active = False
    flow.save()
    readings_post(meters)
    assert not flows_flush(timezone.now() + LATER)


def test_what_is_none_of_its_business_only_moves_the_cursor(meters):
    flow = flow_make(devices=[meters[0].device])
    number = readings_post(meters[1:])
    assert flush() == []
    flow.refresh_from_db()
    assert (flow.cursor, flow.next_seq, flow.runs.count()) == (number, 1, 0)


def test_a_flush_that_fails_pauses_the_flow_and_loses_nothing(meters):
    flow = flow_make(zone="")
    Device.objects.filter(pk=meters[0].device_id).update(time_zone="Mars/Base")
    readings_post(meters, values=[1])
    (run,) = flush()
    assert (run.state, run.error[:15]) == ("failed", "FMT15 RTE D0000")
    assert not flows_flush(timezone.now() + LATER)
    Device.objects.update(time_zone="UTC")
    assert flows_flush(timezone.now() + timedelta(minutes=6))
    work_all()
    assert [row[0] for row in values(flow.runs.first())] == ["1", "2"]


# --- what -----------------------------------------------------------------------------------------


def test_numbers_go_on_over_all_files_and_revisions_count_versions(meters):
    flow = flow_make(options={"first_seq": 100})
    readings_post(meters, values=[1, 2])
    (first,) = flush()
    readings_post(meters[:1], values=[7, 2])  # the second says nothing new
    (second,) = flush()
    assert values(first) == [
        ("100", "D0000", "01:00", "0.001", "0"),
        ("101", "D0000", "02:00", "0.002", "0"),
        ("102", "D0001", "01:00", "0.001", "0"),
        ("103", "D0001", "02:00", "0.002", "0"),
    ]
    assert values(second) == [("104", "D0000", "01:00", "0.007", "1")]
    assert first.files.get().name.endswith("_000000000100.csv")
    assert second.files.get().name.endswith("_000000000104.csv")
    flow.refresh_from_db()
    assert (flow.cursor, flow.next_seq) == (journal.horizon(), 105)
    assert purge_bound() == flow.cursor


def test_the_file_is_what_the_writer_makes_of_the_range(meters, monkeypatch):
    monkeypatch.setattr("exports.services.flows.PART_BYTES", 1000)
    monkeypatch.setattr("devices.journal.versions.LOT_CELLS", 20)
    flow_make(options={"control": "yes"})
    readings_post(meters)
    readings_post(meters[:1], slot=3, values=[70, 71])
    readings_post(meters, slot=1, values=[80])
    one, two = flush()[0], flush()[0]
    assert (one.parts_total, two.parts_total, one.meters) == (2, 1, 2)
    for run in (one, two):
        out, form = io.BytesIO(), formats.get("rte")
        form.write_arrivals(arrivals_for_range(run.since, run.horizon), context_of(run, form), out)
        assert file_text(run).encode() == out.getvalue().replace(b"\r\n", b"\n")
    assert (one.horizon, two.since) == (1, 1)


def test_revisions_of_more_digits_than_others(meters):
    flow_make()
    for value in range(12):
        readings_post(meters[:1], values=[value])
    readings_post(meters[:1], values=[12, 5])
    (run,) = flush()
    found = values(run)
    assert [int(row[0]) for row in found] == list(range(1, 15))
    assert [int(row[4]) for row in found] == [*range(13), 0]


def test_what_was_planned_is_what_is_sent_though_the_inventory_moves(meters):
    readings_post(meters, values=[1])
    flow = flow_make()
    flows_flush(timezone.now() + LATER)
    assert services.work()  # planned
    readings_post(meters, values=[2])
    Installation.objects.update(service_point_id="ELSEWHERE")
    Device.objects.filter(pk=meters[0].device_id).update(meter_number="NEW")
    work_all()
    run = flow.runs.get()
    assert [(row[3], row[4], row[10]) for row in rows(run)] == [
        ("M0000", "SP0", "0.001"),
        ("M0001", "SP1", "0.001"),
    ]
    assert [rebuilt.same for rebuilt in services.run_rebuild(run)] == [True]
    (after,) = flush()
    assert [(row[1], row[4]) for row in rows(after)] == [("3", "ELSEWHERE"), ("4", "ELSEWHERE")]


def test_a_failed_delivery_sends_the_same_file_again(meters, settings, tmp_path):
    to = directory_make(settings, tmp_path / "out")
    (tmp_path / "out").write_text("in the way")
    flow_make(destinations=[to])
    readings_post(meters, values=[1])
    (run,) = flush()
    assert deliver_next()
    assert Delivery.objects.get().state == "waiting"
    readings_post(meters, values=[2])
    flush()
    (tmp_path / "out").unlink()
    Delivery.objects.update(due=timezone.now())
    Destination.objects.update(next_try=timezone.now())
    while deliver_next():
        pass
    sent = sorted((tmp_path / "out" / "in").iterdir())
    assert sent[0].read_text() == file_text(run)
    lines = [line.split(",")[1] for path in sent for line in path.read_text().splitlines()[1:]]
    assert lines == ["1", "2", "3", "4"]


def test_sent_once_more_it_has_the_same_numbers(meters):
    flow = flow_make()
    readings_post(meters, values=[1])
    (run,) = flush()
    again = services.run_again(run)
    work_all()
    again.refresh_from_db()
    assert rows(again) == rows(run)
    flow.refresh_from_db()
    assert flow.next_seq == 3


def test_a_flow_begins_with_what_the_journal_holds_or_from_now_on(meters):
    readings_post(meters, values=[1])
    journal.fold_all()
    journal.purge(before=timezone.now() + timedelta(days=1))
    readings_post(meters, values=[2])
    flow = flow_make()
    assert flow.cursor == 1
    assert definition_make("NOW", format="rte", period="since_last", from_now=True).cursor == 2
    flush()
    run = flow.runs.get()
    assert [(row[3], row[4]) for row in values(run)] == [("0.002", "1")] * 2


def test_a_flow_owes_nothing_and_says_what_it_left_out(meters):
    flow = flow_make(devices=[meters[0].device], on_error="skip_meter", zone="")
    readings_post(meters, values=[1])
    flush()
    services.definition_save(flow, groups=[], devices=[], destinations=[])
    Device.objects.filter(pk=meters[0].device_id).update(time_zone="Mars/Base")
    readings_post(meters, values=[2])
    (run,) = flush()
    assert values(run) == [("2", "D0001", "01:00", "0.002", "1")]
    assert [line[:35] for line in run.warnings] == ["FMT15 (1): left out: FMT15 RTE D0000"[:35]]
    assert not Backlog.objects.exists()


def test_no_period_is_asked_of_a_flow(meters):
    flow = flow_make()
    with pytest.raises(services.NotNow, match="sends what arrives"):
        services.definition_run(flow, start=START, end=START + timedelta(days=1))


def test_two_workers_make_one_run(meters):
    flow = flow_make()
    readings_post(meters, values=[1])
    due = timezone.now() + LATER
    assert [flows_flush(due), flows_flush(due)] == [True, False]
    assert flow.runs.count() == 1
