"""A key names one batch: sent again it answers the same, with another body it is refused."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import IntegrityError, OperationalError, connections
from django.utils import timezone

from devices import journal
from devices.models import Batch, Channel, Device, DeviceClass
from devices.readings import NEVER
from devices.services.channels import channel_change
from devices.services.ingest import KeyConflict, Provision, accept
from devices.services.keys import api_key_create
from tests.devices.factories import channel_make, device_make
from tests.devices.posting import at_start, meter, post, refused, stored


def run_of(*counts):
    return meter("A", {"counts": list(counts)})


@pytest.fixture
def channel(db):
    return channel_make(device_make("A"))


def test_a_batch_sent_again_changes_nothing_and_answers_the_same(channel):
    first = post(run_of(1), key="k")
    before = stored()
    again = post(run_of(1), key="k")
    assert (first.created, again.created) == (True, False)
    assert again.text == first.text
    assert again.status == "accepted"
    assert json.loads(again.text)["batch"] == "k"
    assert stored() == before


def test_a_batch_taken_in_part_answers_so_again(channel):
    meters = (run_of(1), meter("B", {"counts": [1]}))
    first = post(*meters, key="k", on_error="meter")
    again = post(*meters, key="k", on_error="meter")
    assert (again.status, again.text) == ("partial", first.text)


def test_a_batch_is_answered_even_when_it_would_now_be_refused(channel):
    first = post(run_of(1), key="k")
    Device.objects.all().update(device_id="Z", meter_number="Z")
    assert post(run_of(1), key="k").text == first.text


def test_a_key_with_another_body_is_a_conflict(channel):
    post(run_of(1), key="k")
    before = stored()
    with pytest.raises(KeyConflict, match="k"):
        post(run_of(2), key="k")
    assert stored() == before


def test_each_api_key_names_batches_for_itself(channel):
    one, _ = api_key_create("one", ["ingest"])
    two, _ = api_key_create("two", ["ingest"])
    for owner in (None, one, two):
        assert post(run_of(1), key="k", api_key=owner).created
    assert Batch.objects.filter(key="k").count() == 3


def test_a_batch_without_a_key_is_a_new_one_each_time(channel):
    assert post(run_of(1)).text != post(run_of(1)).text


def test_a_refused_batch_does_not_use_its_key_up(channel):
    assert refused(meter("B"), key="k") == [("meters[0].device", "UNKNOWN_DEVICE")]
    assert post(run_of(1), key="k").created


def test_a_key_is_free_again_after_its_term(channel):
    post(run_of(1), key="k")
    with time_machine.travel(timezone.now() + timedelta(days=36), tick=False):
        assert post(run_of(2), key="k").created
    assert Batch.objects.count() == 2


def test_numbers_follow_the_batches(channel):
    for count in range(3):
        post(run_of(count))
    assert list(Batch.objects.order_by("pk").values_list("number", flat=True)) == [1, 2, 3]
    journal.fold_all()
    assert at_start(channel, 1) == [(2, 0)]


# --- races --------------------------------------------------------------------------------------


def closing(function):
    """Run in a thread and close its database connections."""

    def run(*args):
        try:
            return function(*args)
        finally:
            connections.close_all()

    return run


@pytest.mark.django_db(transaction=True)
def test_of_batches_racing_with_one_key_one_is_stored():
    channel = channel_make(device_make("A"))
    barrier = threading.Barrier(4)

    @closing
    def send(_):
        barrier.wait(30)
        return post(run_of(7), key="k")

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(send, range(4)))
    assert sum(answer.created for answer in answers) == 1
    assert len({answer.text for answer in answers}) == 1
    assert Batch.objects.count() == 1
    assert at_start(channel, 1) == [(7, 0)]


@pytest.mark.django_db(transaction=True)
def test_of_different_batches_racing_with_one_key_one_is_stored_and_one_refused():
    channel = channel_make(device_make("A"))
    barrier = threading.Barrier(2)

    @closing
    def send(count):
        barrier.wait(30)
        try:
            return post(run_of(count), key="k").created
        except KeyConflict:
            return None

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(send, (1, 2)))
    assert sorted(outcomes, key=str) == [None, True]
    assert at_start(channel, 1) == [(1 + outcomes.index(True), 0)]


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_racing_batch_waits_for_the_first_and_answers_as_it(monkeypatch):
    """The second arrives between the first one's rows and its commit."""
    channel_make(device_make("A"))
    written, may_commit = threading.Event(), threading.Event()
    number = journal.batch_number

    def hold(batch):
        if not written.is_set():
            written.set()
            assert may_commit.wait(30)
        return number(batch)

    monkeypatch.setattr(accept.journal, "batch_number", hold)
    send = closing(lambda: post(run_of(7), key="k"))
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(send)
        assert written.wait(30)
        second = pool.submit(send)
        assert not second.done()
        may_commit.set()
        assert first.result(30).created
        assert second.result(30) == first.result()._replace(created=False)


@pytest.mark.django_db(transaction=True)
def test_batches_that_make_the_same_device_at_once_make_one():
    DeviceClass.objects.get_or_create(code="TEST")
    barrier = threading.Barrier(3)

    @closing
    def send(number):
        run = {"uom": "KWH", "seconds": 900, "start": f"2026-03-14T0{number}:00:00Z", "counts": [1]}
        barrier.wait(30)
        return post({"device": "NEW", "intervals": [run]}, provision=Provision("TEST"))

    with ThreadPoolExecutor(3) as pool:
        answers = [json.loads(answer.text) for answer in pool.map(send, range(3))]
    assert sum(answer["created"]["devices"] for answer in answers) == 1
    assert sum(answer["created"]["channels"] for answer in answers) == 1
    assert (Device.objects.count(), Channel.objects.count(), Batch.objects.count()) == (1, 1, 3)


def test_a_channel_that_changes_between_look_up_and_storing_is_looked_up_again(
    channel, monkeypatch
):
    prepare = journal.prepare

    def change_first(received):
        if channel.device.channels.count() == 1:
            channel_change(channel, at=datetime(2026, 3, 14, tzinfo=UTC), resolution="0.01")
        prepare(received)

    monkeypatch.setattr(accept.journal, "prepare", change_first)
    post(meter("A", {"values": ["0.31"]}))
    era = channel.device.channels.get(valid_to=None)
    assert at_start(era, 1) == [(31, 0)]
    assert at_start(channel, 1) == [(None, NEVER)]


def test_a_batch_whose_devices_keep_being_made_by_others_gives_up(channel, monkeypatch):
    def fail(batch, draft):
        raise IntegrityError

    monkeypatch.setattr(accept, "_store", fail)
    with pytest.raises(OperationalError):
        post(run_of(1))
