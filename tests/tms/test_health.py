"""What a load balancer and a monitoring system are told."""

from datetime import timedelta

import pytest
from django.db import DatabaseError
from django.utils import timezone

from devices.models import Heartbeat
from tms import health

pytestmark = pytest.mark.django_db


@pytest.fixture
def no_broker(settings):
    settings.BROKER_URL = ""


@pytest.fixture
def alive():
    for name in health.PROCESSES:
        Heartbeat.objects.create(name=name, at=timezone.now())


def test_a_process_that_answers_is_alive(client):
    response = client.get("/healthz")
    assert (response.status_code, response.content) == (200, b"ok\n")


def test_the_house_is_ready_when_every_part_is(client, alive, no_broker):
    response = client.get("/readyz")
    assert response.status_code == 200
    ok = {"database": "ok", "scheduler": "ok", "worker": "ok"}
    assert response.json() == {"ready": True, **ok}


def test_a_process_that_never_started_is_named(client, no_broker):
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["scheduler"] == response.json()["worker"] == "never started"


def test_a_process_that_fell_silent_is_named(client, alive, no_broker):
    Heartbeat.objects.filter(name="worker").update(at=timezone.now() - timedelta(minutes=4))
    answer = client.get("/readyz").json()
    assert answer["worker"].startswith("silent since 20")
    assert (answer["ready"], answer["scheduler"]) == (False, "ok")


def test_a_broker_that_is_away_is_named_without_its_address(client, alive, settings, monkeypatch):
    settings.BROKER_URL = "redis://127.0.0.1:1/0"

    def connection_for_write(**options):
        from kombu import Connection

        return Connection(settings.BROKER_URL)

    monkeypatch.setattr(health.celery_app, "connection_for_write", connection_for_write)
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["broker"] == "OperationalError"


def test_a_broker_that_answers_is_ok(client, alive, settings, monkeypatch, redis_url):
    settings.BROKER_URL = redis_url
    monkeypatch.setattr(health.celery_app.conf, "broker_write_url", redis_url)
    response = client.get("/readyz")
    assert response.json()["broker"] == "ok"
    assert response.status_code == 200


def test_a_database_that_fails_is_named(client, alive, no_broker, monkeypatch):
    def fails() -> None:
        raise DatabaseError("password of tms at db7")

    monkeypatch.setattr(health, "_database", fails)
    assert client.get("/readyz").json()["database"] == "DatabaseError"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_only_looking_is_allowed(client, path):
    assert client.post(path).status_code == 405
