"""Quarantine: released once and under one name, held with its reason, or given up."""

import copy
import gzip
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from devices.models import Batch, Quarantined
from devices.services import quarantine
from devices.services.quarantine import (
    quarantine_discard,
    quarantine_recover,
    quarantine_release,
)
from tests.devices.callers import Caller, key_make
from tests.devices.factories import channel_make, device_make

pytestmark = pytest.mark.django_db

ONE_DAY = {"start": "2026-03-14T00:00:00Z", "end": "2026-03-15T00:00:00Z"}
RUN = {"channel": 1, "start": "2026-03-14T00:00:00Z", "values": ["0.312", None, "0.3050"]}
State = Quarantined.State


@pytest.fixture
def operator():
    return User.objects.create_user("olga")


@pytest.fixture
def gateway():
    return Caller(key_make(name="gateway"))


@pytest.fixture
def held(gateway) -> list[int]:
    """Two meters nobody knows, in quarantine beside one that is known."""
    channel_make(device_make("D1"))
    meters = [{"device": name, "intervals": [copy.deepcopy(RUN)]} for name in ("D1", "N1", "N2")]
    answer = gateway.post({"source": "gap-fill", "on_error": "meter", "meters": meters})
    assert answer.status_code == 201, answer.content
    return list(Quarantined.objects.order_by("pk").values_list("pk", flat=True))


def test_what_a_meter_sent_is_stored_once_it_is_known_and_released(held, operator, gateway):
    channel_make(device_make("N1"))
    outcome = quarantine_release(held, operator)
    assert [row.device for row in outcome.released] == ["N1"]
    assert [row.device for row in outcome.held] == ["N2"]
    values = [i["value"] for i in gateway.items("/devices/N1/intervals", **ONE_DAY)]
    assert values == ["0.312", None, "0.305"]
    row = Quarantined.objects.get(device="N1")
    assert (row.state, row.decided_by) == (State.RELEASED, "olga")
    assert row.decided is not None
    assert row.released_as.key == f"release-{row.pk}"
    assert row.released_as.source == row.batch.source
    assert row.released_as.api_key is None


def test_a_meter_that_is_refused_again_stays_held_with_the_new_reason(held, operator):
    device_make("N1")
    outcome = quarantine_release(held, operator)
    assert [(row.device, row.code) for row in outcome.held] == [
        ("N1", "UNKNOWN_CHANNEL"),
        ("N2", "UNKNOWN_DEVICE"),
    ]
    row = Quarantined.objects.get(device="N1")
    assert (row.state, row.code) == (State.HELD, "UNKNOWN_CHANNEL")
    assert (row.decided, row.decided_by, row.released_as) == (None, "", None)


def test_releasing_again_does_nothing(held, operator):
    channel_make(device_make("N1"))
    quarantine_release(held[:1], operator)
    batches = Batch.objects.count()
    outcome = quarantine_release(held[:1], operator)
    assert (outcome.released, outcome.held) == ([], [])
    assert Batch.objects.count() == batches


def test_what_was_discarded_is_not_released(held, operator):
    channel_make(device_make("N1"))
    assert [row.device for row in quarantine_discard(held[:1], operator)] == ["N1"]
    assert quarantine_release(held[:1], operator).released == []
    assert quarantine_discard(held[:1], operator) == []
    row = Quarantined.objects.get(device="N1")
    assert (row.state, row.decided_by) == (State.DISCARDED, "olga")


def test_an_unknown_id_is_passed_over(operator):
    assert quarantine_release([12345], operator).released == []


def test_a_fault_while_releasing_puts_the_row_back(held, operator, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError("the database is away")

    monkeypatch.setattr(quarantine, "batch_accept", fail)
    with pytest.raises(OSError, match="away"):
        quarantine_release(held, operator)
    assert set(Quarantined.objects.values_list("state", "code")) == {(State.HELD, "UNKNOWN_DEVICE")}


def test_a_payload_that_cannot_be_read_stays_held(held, operator):
    Quarantined.objects.filter(pk=held[0]).update(payload=gzip.compress(b"{"))
    (row,) = quarantine_release(held[:1], operator).held
    assert (row.state, row.code) == (State.HELD, "BAD_JSON")


@pytest.mark.parametrize("stored", [False, True])
def test_a_release_over_which_a_process_died_is_ended_after_a_while(held, operator, stored):
    channel_make(device_make("N1"))
    if stored:
        quarantine_release(held[:1], operator)
    rows = Quarantined.objects.filter(pk=held[0])
    rows.update(state=State.RELEASED, released_as=None, decided=timezone.now(), decided_by="olga")
    assert quarantine_recover() == 0
    rows.update(decided=timezone.now() - timedelta(minutes=11))
    assert quarantine_recover() == 1
    row = rows.get()
    assert row.state == (State.RELEASED if stored else State.HELD)
    assert (row.released_as is not None) == stored
    assert quarantine_release(held[:1], operator).released == ([] if stored else [row])
