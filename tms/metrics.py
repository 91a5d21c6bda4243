"""/metrics: Prometheus text, put together from what the apps supply by name (TMS_METRICS).

Who may read it (decision 0100): a caller with an API key of scope read that sees all devices, and
anybody whose own address lies in TMS_METRICS_FROM. A request that a proxy has passed on never comes
from an address that can be trusted, so it always needs the key.
"""

import ipaddress
import logging
import time
from collections.abc import Iterator

import redis
from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.utils.module_loading import import_string
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

logger = logging.getLogger(__name__)
PASSED_ON = ("Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via")
QUEUE = "celery"  # the one that workers take tasks from


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """All families, each documented in docs/operations.md; 503 when the database is away."""
    if not may_read(request):
        response = HttpResponse(
            "A key of scope read is needed: Authorization: Bearer <key>.\n",
            status=401,
            content_type="text/plain; charset=utf-8",
        )
        response["WWW-Authenticate"] = 'Bearer realm="TMS"'
        return response
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector())
    try:
        text = generate_latest(registry)
    except DatabaseError as error:
        logger.error("metrics: %s", error)
        return HttpResponse("database\n", status=503, content_type="text/plain")
    return HttpResponse(text, content_type=CONTENT_TYPE_LATEST)


def may_read(request: HttpRequest) -> bool:
    """Whether the caller may see figures of the whole house."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return import_string(settings.TMS_METRICS_KEY)(token.strip())
    return not any(name in request.headers for name in PASSED_ON) and _is_near(
        request.META.get("REMOTE_ADDR", "")
    )


def _is_near(address: str) -> bool:
    """Whether an address lies in TMS_METRICS_FROM."""
    try:
        here = ipaddress.ip_address(address)
    except ValueError:
        return False
    networks = (ipaddress.ip_network(one, strict=False) for one in settings.TMS_METRICS_FROM)
    return any(here in network for network in networks)


class _Collector:
    """The families of every app, the broker's, and how long it took to ask."""

    def collect(self) -> Iterator[Metric]:
        begun = time.monotonic()
        for name in settings.TMS_METRICS:
            yield from import_string(name)()
        yield from _broker()
        seconds = time.monotonic() - begun
        yield GaugeMetricFamily("tms_metrics_seconds", "What these figures took", value=seconds)


def _broker() -> Iterator[Metric]:
    """How many tasks wait in Redis; without a broker nothing does, and away it is not a number."""
    family = GaugeMetricFamily("tms_broker_tasks", "Tasks that wait in the broker")
    if settings.BROKER_URL.startswith(("redis://", "rediss://", "unix://")):
        try:
            with redis.Redis.from_url(
                settings.BROKER_URL, socket_connect_timeout=2, socket_timeout=2
            ) as client:
                family.add_metric([], client.llen(QUEUE))
        except redis.RedisError:
            family.add_metric([], float("nan"))
    else:
        family.add_metric([], 0)
    yield family
