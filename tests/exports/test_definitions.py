"""Definitions: checked when saved, put on the clock, turned into runs of the right days."""

from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from django.core.exceptions import ValidationError

from exports import services
from exports.models import Backlog, ExportDefinition, ExportRun
from exports.services import definitions
from tests.exports.factories import definition_make, meters_make, readings_post

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("data_dir")]


@pytest.fixture
def raised(monkeypatch):
    found: list[str] = []
    monkeypatch.setattr(definitions, "alarm", lambda code, *_, **more: found.append(code))
    return found


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"format": "none"}, "format"),
        ({"options": {"dialect": "klingon"}}, "options"),
        ({"options": {"unknown": 1}}, "options"),
        ({"period": "last_n_days"}, "days"),
        ({"period": "fixed", "start": None, "end": None}, "start"),
        ({"period": "fixed", "end": datetime(2000, 1, 1, tzinfo=UTC)}, "end"),
        ({"period": "bill_period"}, "bill_day"),
        ({"schedule": "never"}, "schedule"),
        ({"zone": "Mars/Olympus"}, "zone"),
        ({"file_name": "../{batch}"}, "file_name"),
        ({"file_name": "{nothing}"}, "file_name"),
        ({"name": "ümlaut"}, "name"),
        ({"name": "N" * 31}, "name"),
        ({"period": "last_n_days", "days": 401}, "days"),
    ],
)
def test_what_would_fail_when_the_file_is_due_is_refused_now(fields, field):
    with pytest.raises(ValidationError) as refused:
        definition_make(**{"name": "X", **fields})
    assert field in refused.value.message_dict


def test_a_receiver_that_the_format_needs_is_missed_when_the_definition_is_saved(
    settings, tmp_path
):
    from tests.exports.factories import directory_make

    definition = definition_make()
    destination = directory_make(settings, tmp_path, receiver="")
    assert definitions.definition_faults(definition, []) == []
    (fault,) = definitions.definition_faults(definition, [destination])
    assert fault.startswith("CME01")
    destination.receiver = "CIS1"
    assert definitions.definition_faults(definition, [destination]) == []


def test_only_a_change_of_content_or_selection_is_a_new_version():
    definition = definition_make()
    definition.name, definition.priority = "OTHER", 1
    save(definition)
    assert definition.version == 1
    definition.options = {"dialect": "sensus"}
    save(definition)
    assert definition.version == 2
    definition.channels = [1]
    save(definition)
    assert definition.version == 3


def save(definition):
    services.definition_save(definition, groups=[], devices=[], destinations=[])
    definition.refresh_from_db()


def test_saving_does_not_take_back_a_cursor_that_has_moved_meanwhile():
    definition = definition_make("SINCE", period="since_last")
    ExportDefinition.objects.update(cursor=7)
    save(definition)
    assert definition.cursor == 7


# --- periods -----------------------------------------------------------------------------------

ASKED = datetime(2026, 3, 9, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fields", "start", "end"),
    [
        ({"period": "yesterday"}, "2026-03-08T06:00", "2026-03-09T05:00"),  # 23 hours
        ({"period": "last_n_days", "days": 2}, "2026-03-07T06:00", "2026-03-09T05:00"),
        ({"period": "month_to_date"}, "2026-03-01T06:00", "2026-03-09T12:00"),
        ({"period": "bill_period", "bill_day": 9}, "2026-02-09T06:00", "2026-03-09T05:00"),
        ({"period": "bill_period", "bill_day": 10}, "2026-01-10T06:00", "2026-02-10T06:00"),
    ],
)
def test_the_days_that_a_run_covers(fields, start, end):
    definition = definition_make(zone="America/Chicago", **fields)
    period = definitions.definition_period(definition, ASKED)
    assert [f"{when:%FT%R}" for when in period] == [start, end]


@pytest.mark.parametrize(
    ("day", "today", "bills"),
    [
        (31, date(2026, 3, 1), (date(2026, 1, 31), date(2026, 2, 28))),
        (31, date(2026, 3, 31), (date(2026, 2, 28), date(2026, 3, 31))),
        (29, date(2024, 3, 1), (date(2024, 1, 29), date(2024, 2, 29))),
        (1, date(2026, 1, 1), (date(2025, 12, 1), date(2026, 1, 1))),
        (2, date(2026, 1, 1), (date(2025, 11, 2), date(2025, 12, 2))),
    ],
)
def test_bill_dates_in_months_of_all_lengths(day, today, bills):
    asked = datetime(today.year, today.month, today.day, 12, tzinfo=UTC)
    assert definitions.bill_dates(day, asked, "UTC") == bills


# --- schedules ---------------------------------------------------------------------------------


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@time_machine.travel(at("2026-03-08T00:00"), tick=False)
def test_a_definition_runs_once_at_each_time_of_its_schedule():
    definition = definition_make(period="yesterday", zone="America/Chicago", schedule="30 2 * * *")
    assert definition.next_due == at("2026-03-08T08:00")  # 02:30 does not exist that day
    assert services.schedules_tick(at("2026-03-08T07:59")) == 0
    assert services.schedules_tick(at("2026-03-08T08:00")) == 1
    assert services.schedules_tick(at("2026-03-08T08:00")) == 0
    definition.refresh_from_db()
    assert definition.next_due == at("2026-03-09T07:30")
    run = ExportRun.objects.get()
    assert (run.trigger, run.due) == ("schedule", at("2026-03-08T08:00"))
    assert (run.start, run.end) == (at("2026-03-07T06:00"), at("2026-03-08T06:00"))


@time_machine.travel(at("2026-03-01T00:00"), tick=False)
@pytest.mark.parametrize(("missed", "made"), [("run_once", 1), ("skip", 0)])
def test_times_that_were_missed_are_made_up_for_once_or_left_out(missed, made, raised):
    definition = definition_make(period="yesterday", schedule="0 3 * * *", missed=missed)
    assert services.schedules_tick(at("2026-03-05T12:00")) == made
    definition.refresh_from_db()
    assert definition.next_due == at("2026-03-06T03:00")
    assert list(ExportRun.objects.values_list("due", flat=True)) == [at("2026-03-05T03:00")] * made
    assert raised == ([] if made else ["TMS_MISSED"])


@time_machine.travel(at("2026-03-01T00:00"), tick=False)
def test_a_tick_that_is_a_little_late_is_in_time():
    definition_make(period="yesterday", schedule="0 3 * * *", missed="skip")
    assert services.schedules_tick(at("2026-03-01T03:01")) == 1


@time_machine.travel(at("2026-03-01T00:00"), tick=False)
def test_a_time_that_has_its_run_gets_no_second_one():
    definition = definition_make(period="yesterday", schedule="0 3 * * *")
    due = at("2026-03-01T03:00")
    services.definition_run(definition, trigger="schedule", due=due)
    assert services.schedules_tick(due) == 0
    assert ExportRun.objects.count() == 1


@time_machine.travel(at("2026-03-01T00:00"), tick=False)
def test_a_definition_that_cannot_be_run_is_told_of_and_does_not_stop_the_others(raised):
    broken = definition_make("A", period="yesterday", schedule="0 3 * * *")
    definition_make("B", period="yesterday", schedule="0 3 * * *")
    ExportDefinition.objects.filter(pk=broken.pk).update(options={"gone": "1"})
    assert services.schedules_tick(at("2026-03-01T03:00")) == 1
    assert raised == ["TMS_RUN_FAILED"]


def test_one_that_rests_is_not_on_the_clock():
    definition = definition_make(period="yesterday", schedule="0 3 * * *", active=False)
    assert definition.next_due is None
    definition.active = True
    save(definition)
    assert definition.next_due is not None


def test_the_clock_is_its_own_or_that_of_the_days_or_the_systems():
    definition = ExportDefinition(name="X")
    assert definition.schedule_clock == "UTC"
    definition.zone = "Europe/London"
    assert definition.schedule_clock == "Europe/London"
    definition.schedule_zone = "Asia/Tokyo"
    assert definition.schedule_clock == "Asia/Tokyo"


def test_everything_says_what_it_is():
    (channel,) = meters_make(1)
    readings_post([channel])
    definition = definition_make()
    run = services.definition_run(definition)
    row = Backlog(definition=definition, device=channel.device, since=4)
    assert [str(definition), str(run), str(row)] == [
        "NIGHTLY",
        f"NIGHTLY {run.batch_id}",
        f"{channel.device_id} since 4",
    ]
    assert run.start + timedelta(days=1) == run.end
