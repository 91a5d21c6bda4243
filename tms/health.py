"""/healthz and /readyz: what a load balancer asks."""

from collections.abc import Callable
from datetime import timedelta

from django.apps import apps
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from tms.celery import app as celery_app

SILENT = timedelta(minutes=3)  # a process without a heartbeat for so long has stopped
PROCESSES = ("scheduler", "worker")


class NotReady(Exception):
    """What is not as it should be, in words."""


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """This process answers."""
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Each part the house needs: "ok" or what is wrong with it; 503 unless all are ok."""
    checks: dict[str, Callable[[], None]] = {"database": _database}
    if settings.BROKER_URL:
        checks["broker"] = _broker
    checks |= {name: lambda name=name: _heartbeat(name) for name in PROCESSES}
    parts = {name: _outcome(check) for name, check in checks.items()}
    ready = all(outcome == "ok" for outcome in parts.values())
    return JsonResponse({"ready": ready, **parts}, status=200 if ready else 503)


def _outcome(check: Callable[[], None]) -> str:
    try:
        check()
    except NotReady as error:
        return str(error)
    except Exception as error:
        return type(error).__name__  # no more: an address or a name would show to anybody
    return "ok"


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _broker() -> None:
    with celery_app.connection_for_write(connect_timeout=2) as broker:
        broker.ensure_connection(max_retries=1, interval_start=0, timeout=2)


def _heartbeat(name: str) -> None:
    heartbeats = apps.get_model("devices", "Heartbeat").objects
    at = heartbeats.filter(name=name).values_list("at", flat=True).first()
    if at is None:
        raise NotReady("never started")
    if timezone.now() - at > SILENT:
        raise NotReady(f"silent since {at:%Y-%m-%dT%H:%M:%SZ}")
