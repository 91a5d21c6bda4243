"""What has passed its term is let go, and nothing else; the tasks and commands around it."""

import io
import json
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.utils import timezone

from devices import journal, tasks
from devices.models import Batch, Quarantined
from devices.services import retention
from devices.services.retention import expire
from tests.devices.factories import batch_post, channel_make, day_of, entry_of

pytestmark = pytest.mark.django_db

NOW = timezone.now()


def batch_make(days_ago: int, **fields) -> Batch:
    received = NOW - timedelta(days=days_ago)
    return Batch.objects.create(
        body_hash=b"\0" * 32, source="scheduled", received=received, **fields
    )


def test_keys_are_forgotten_after_their_term_and_the_batches_stay(settings, monkeypatch):
    monkeypatch.setattr(retention, "CHUNK", 2)
    settings.TMS_KEY_DAYS = 35
    for n in range(5):
        batch_make(36, key=f"old-{n}", answer="{}")
    batch_make(34, key="young")
    batch_make(36, key=None)
    assert expire()["keys"] == 5
    assert list(Batch.objects.exclude(key=None).values_list("key", flat=True)) == ["young"]
    assert Batch.objects.count() == 7
    assert expire()["keys"] == 0


@pytest.mark.parametrize(("days", "kept"), [(0, 0), (5, 1), (30, 2)])
def test_bodies_are_dropped_after_their_term(settings, days, kept):
    settings.TMS_BODY_DAYS = days
    batch_make(10, body=b"{}")
    batch_make(1, body=b"{}")
    assert expire()["bodies"] == 2 - kept
    assert Batch.objects.exclude(body=None).count() == kept


def test_quarantined_meters_are_deleted_after_their_term(settings):
    settings.TMS_QUARANTINE_DAYS = 90
    batch = batch_make(91)
    for days in (91, 89):
        for state in Quarantined.State.values:
            Quarantined.objects.create(
                batch=batch,
                device="X",
                code="UNKNOWN_DEVICE",
                message="",
                payload=b"{}",
                state=state,
                received=NOW - timedelta(days=days),
            )
    assert expire()["quarantine"] == 3
    assert Quarantined.objects.count() == 3


def test_the_purge_command_prints_what_it_removed(settings):
    settings.TMS_JOURNAL_DAYS = 400
    channel = channel_make()
    batch_post(
        [entry_of(channel, day_of(2026, 3, 14), 0, [1, 2])], received=NOW - timedelta(days=401)
    )
    journal.fold_all()
    out = io.StringIO()
    call_command("purge", "--json", stdout=out)
    assert json.loads(out.getvalue()) == {"keys": 0, "bodies": 0, "quarantine": 0, "entries": 1}
    out = io.StringIO()
    call_command("purge", stdout=out)
    assert out.getvalue() == "keys 0, bodies 0, quarantine 0, entries 0\n"


def test_the_fold_command_folds_all_that_waits():
    number = batch_post([entry_of(channel_make(), day_of(2026, 3, 14), 0, [1, 2])])
    out = io.StringIO()
    call_command("fold", stdout=out)
    assert out.getvalue() == f"folded to batch number {number} (was 0)\n"
    assert journal.folded_to() == number
    out = io.StringIO()
    call_command("fold", "--json", stdout=out)
    assert json.loads(out.getvalue()) == {"from": number, "to": number}


@pytest.mark.django_db(transaction=True)
def test_the_partitions_command_prints_counts():
    out = io.StringIO()
    call_command("partitions", "--json", stdout=out)
    assert set(json.loads(out.getvalue())) == {"made", "dropped", "merged"}
    out = io.StringIO()
    call_command("partitions", stdout=out)
    assert out.getvalue().startswith("made ")


def test_the_fold_task_folds_and_tells_whether_more_is_waiting(monkeypatch):
    assert tasks.fold() is False
    number = batch_post([entry_of(channel_make(), day_of(2026, 3, 14), 0, [1, 2])])
    tasks.fold()
    assert journal.folded_to() == number
    monkeypatch.setattr(journal, "fold_step", lambda: True)
    monkeypatch.setattr(tasks, "FOLD_SECONDS", 0)
    assert tasks.fold() is True


def test_upkeep_is_done_once_a_day_and_again_after_a_failure(monkeypatch):
    cache.clear()
    calls = []
    monkeypatch.setattr(tasks, "partitions_maintain", lambda: calls.append("partitions"))
    monkeypatch.setattr(tasks, "expire", lambda: calls.append("expire") or 1 / (len(calls) - 2))
    with pytest.raises(ZeroDivisionError):
        tasks.maintain()
    tasks.maintain()
    tasks.maintain()
    assert calls == ["partitions", "expire"] * 2
    cache.clear()
