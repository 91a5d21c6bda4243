"""/metrics: who may read it, what stands in it, and that it costs the same for any fleet."""

import re
from datetime import timedelta

import pytest
from django.db import DatabaseError
from django.utils import timezone

from devices.models import Batch, FunctionalGroup, Heartbeat, Watermark
from devices.services.arrivals import arrivals_count
from devices.services.keys import api_key_create
from exports.models import Delivery, Destination
from tests.devices import fleet
from tests.exports.factories import (
    definition_make,
    directory_make,
    meters_make,
    readings_post,
    run_now,
)
from tests.installation import ROOT
from tms import metrics

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("data_dir")]
QUERIES = 45


@pytest.fixture(autouse=True)
def here(settings):
    settings.TMS_METRICS_FROM = ["127.0.0.0/8"]


def lines(client) -> dict[str, float]:
    answer = client.get("/metrics")
    assert answer.status_code == 200, answer.content
    found = [line for line in answer.content.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in found)}


# --- what is told -------------------------------------------------------------------------------


def test_what_is_served_is_what_the_documentation_lists(client):
    text = client.get("/metrics").content.decode()
    served = {
        (name + "_total" if kind == "counter" else name, kind)
        for name, kind in re.findall(r"^# TYPE (\w+?)(?:_total)? (\w+)$", text, re.MULTILINE)
    }
    told = (ROOT / "docs/operations.md").read_text()
    listed = set(
        re.findall(r"^\| `(tms_\w+)(?:\{\w+\})?` \| (counter|gauge) \|", told, re.MULTILINE)
    )
    assert listed == served
    assert len(served) > 20


def test_an_empty_house_has_figures(client):
    found = lines(client)
    assert found["tms_batch_number"] == found["tms_batches_total"] == 0
    assert found["tms_fold_age_seconds"] == found["tms_delivery_age_seconds"] == 0
    assert found['tms_runs{state="queued"}'] == 0


def test_how_far_the_fold_is_behind(client):
    for name, number in (("batch", 17), ("fold", 12)):
        Watermark.objects.update_or_create(name=name, defaults={"number": number})
    now = timezone.now()
    for number in (12, 13, 14):
        Batch.objects.create(
            number=number, body_hash=b"", source="pushed", received=now - timedelta(minutes=number)
        )
    found = lines(client)
    assert (found["tms_batch_number"], found["tms_fold_lag"]) == (17, 5)
    assert 13 * 60 <= found["tms_fold_age_seconds"] < 14 * 60


def test_sums_of_what_arrived_go_on_through_the_count(client):
    meters = meters_make(3)
    readings_post(meters)
    first = lines(client)
    arrivals_count()
    assert not arrivals_count()
    counted = lines(client)
    for name in ("batches", "intervals", "registers", "events", "refused"):
        assert counted[f"tms_{name}_total"] == first[f"tms_{name}_total"]
    assert first["tms_batches_total"] == Batch.objects.count() > 0
    assert first["tms_intervals_total"] > 0


def test_two_that_count_at_once_add_it_once(client, monkeypatch):
    readings_post(meters_make(1))
    before = lines(client)["tms_intervals_total"]
    from devices.services import arrivals

    real = arrivals.arrived_since

    def meanwhile(number):
        monkeypatch.setattr(arrivals, "arrived_since", real)
        arrivals_count()
        return real(number)

    monkeypatch.setattr(arrivals, "arrived_since", meanwhile)
    arrivals_count()
    assert lines(client)["tms_intervals_total"] == before


def test_heartbeats_of_each_worker_and_of_any(client):
    now = timezone.now()
    for name, age in (("worker", 5), ("scheduler", 7), ("worker:hosta:12", 5), ("worker:b:1", 90)):
        Heartbeat.objects.create(name=name, at=now - timedelta(seconds=age))
    found = lines(client)
    assert 7 <= found['tms_heartbeat_age_seconds{process="scheduler"}'] < 60
    assert 90 <= found['tms_worker_heartbeat_age_seconds{worker="b:1"}'] < 150
    assert 'tms_heartbeat_age_seconds{process="worker:b:1"}' not in found


def test_runs_and_deliveries(client, settings, tmp_path):
    readings_post(meters_make(2))
    definition = definition_make(destinations=[directory_make(settings, tmp_path)])
    run_now(definition)
    Destination.objects.create(name="resting", path="/nowhere", active=False)
    Destination.objects.create(name="failing", path="/nowhere", paused=timezone.now())
    row = Delivery.objects.get()
    Delivery.objects.filter(pk=row.pk).update(
        state=Delivery.State.WAITING, created=timezone.now() - timedelta(hours=2)
    )
    found = lines(client)
    assert found['tms_runs_ended{state="done"}'] == 1
    assert found["tms_deliveries_waiting"] == 1
    assert found["tms_destinations_paused"] == 2
    assert 7200 <= found["tms_delivery_age_seconds"] < 7300


def test_no_figure_costs_more_with_more_meters(client, django_assert_max_num_queries):
    fleet.make_devices(30)
    for number in range(1, 40):
        Batch.objects.create(number=number, body_hash=b"", source="pushed", received=timezone.now())
    with django_assert_max_num_queries(QUERIES) as queries:
        lines(client)
    asked = " ".join(query["sql"] for query in queries.captured_queries)
    for table in ("devices_device", "devices_channel", "intervalblock", "journalentry", "snapshot"):
        assert f'{table}"' not in asked


def test_tasks_that_wait_in_the_broker(client, settings, redis_url):
    import redis

    settings.BROKER_URL = redis_url
    with redis.Redis.from_url(redis_url) as broker:
        broker.rpush(metrics.QUEUE, b"1", b"2")
        assert lines(client)["tms_broker_tasks"] == 2
        broker.delete(metrics.QUEUE)


def test_a_broker_that_is_away_costs_its_figure_only(client, settings):
    settings.BROKER_URL = "redis://127.0.0.1:1/0"
    found = lines(client)
    assert found["tms_broker_tasks"] != found["tms_broker_tasks"]  # not a number
    assert "tms_batch_number" in found


def test_a_database_that_is_away_is_an_error_without_words(client, monkeypatch):
    def fails() -> None:
        raise DatabaseError("password of tms at db7")

    monkeypatch.setattr(metrics, "import_string", lambda name: fails)
    answer = client.get("/metrics")
    assert (answer.status_code, answer.content) == (503, b"database\n")


# --- who may ------------------------------------------------------------------------------------


@pytest.fixture
def keys() -> dict[str, str]:
    group = FunctionalGroup.objects.create(code="MINE")
    return {
        "read": api_key_create("monitor", ["read"])[1],
        "ingest": api_key_create("gateway", ["ingest"])[1],
        "some": api_key_create("partner", ["read"], [group])[1],
    }


@pytest.mark.parametrize(
    ("how", "key", "status"),
    [
        ({}, "", 200),
        ({"REMOTE_ADDR": "10.1.2.3"}, "", 401),
        ({"REMOTE_ADDR": "no address"}, "", 401),
        ({"REMOTE_ADDR": "10.1.2.3"}, "read", 200),
        ({"REMOTE_ADDR": "10.1.2.3"}, "ingest", 401),
        ({"REMOTE_ADDR": "10.1.2.3"}, "some", 401),
        ({"HTTP_X_FORWARDED_FOR": "127.0.0.1"}, "", 401),
        ({"HTTP_FORWARDED": "for=127.0.0.1"}, "", 401),
        ({"HTTP_X_FORWARDED_FOR": "10.1.2.3"}, "read", 200),
        ({}, "ingest", 401),  # who shows a key is judged by it
    ],
)
def test_a_key_that_reads_all_or_an_address_nearby(client, keys, how, key, status):
    headers = {"HTTP_AUTHORIZATION": f"Bearer {keys[key]}"} if key else {}
    answer = client.get("/metrics", **how, **headers)
    assert answer.status_code == status
    assert ("tms_batch_number" in answer.content.decode()) == (status == 200)


@pytest.mark.parametrize("value", [b"Bearer", b"Bearer \x00", b"Bearer tms__", b"Basic eDp5"])
def test_a_key_that_is_none(client, value):
    answer = client.get(
        "/metrics", REMOTE_ADDR="10.1.2.3", HTTP_AUTHORIZATION=value.decode("latin-1")
    )
    assert answer.status_code == 401
