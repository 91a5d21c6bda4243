"""Two batches at once that bring the same events and the same new code (PostgreSQL)."""

from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread

import pytest
from django.db import connection, transaction

from devices.readings import Event as Report
from events.models import Event, EventType
from events.services import batch_events_store

TIME = datetime(2026, 4, 2, 19, 31, 7, tzinfo=UTC)
ROUNDS, DEVICES = 5, 2000


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_batches_that_share_events_and_a_new_code_both_succeed(batch_make):
    """Their lists run in opposite directions, so that rows inserted as listed would deadlock."""
    batches = [batch_make(), batch_make()]
    barrier = Barrier(len(batches), timeout=20)
    stored: list[int] = []
    faults: list[Exception] = []

    def deliver(batch, direction: int) -> None:
        try:
            for number in range(ROUNDS):
                time = TIME + timedelta(minutes=number)
                code = "PWR_OUTAGE" if number else "99"  # a new code in the first round
                reports = [(device, Report(code, time)) for device in range(DEVICES)]
                barrier.wait()
                with transaction.atomic():
                    stored.append(batch_events_store(batch, reports[::direction]))
        except Exception as fault:
            faults.append(fault)
            barrier.abort()
        finally:
            connection.close()

    threads = [
        Thread(target=deliver, args=(batch, direction))
        for batch, direction in zip(batches, (1, -1), strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert faults == []
    assert sum(stored) == Event.objects.count() == ROUNDS * DEVICES
    assert EventType.objects.filter(mnemonic="STD_00099").count() == 1
