"""What /metrics tells of runs, live exports and deliveries (settings.TMS_METRICS)."""

import math
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings
from django.db.models import Count, F, Q, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily, Metric

from devices import journal
from devices.metrics import counted
from devices.router import REPLICA
from exports import selectors
from exports.models import Delivery, Destination, ExportRun, RunPart
from exports.replica import replica_horizon

RECENT = timedelta(hours=1)  # of runs that have ended
LOOKED_AT = 1_000  # of the newest runs
FLOWS = 200  # live exports told of one by one, at most


def metrics() -> Iterator[Metric]:
    """The families of this app, in the order of the documentation."""
    yield from _runs()
    yield from _deliveries()
    yield from _flows()
    yield from _replica()


def _runs() -> Iterator[Metric]:
    is_open = ExportRun.objects.filter(state__in=ExportRun.OPEN)
    family = GaugeMetricFamily("tms_runs", "Runs that have not ended", labels=["state"])
    for state in ExportRun.OPEN:
        family.add_metric([state.value], counted(is_open.filter(state=state)))
    yield family
    parts = is_open.aggregate(n=Coalesce(Sum(F("parts_total") - F("parts_done")), 0))["n"]
    yield GaugeMetricFamily("tms_run_parts_waiting", "Parts of runs not yet written", value=parts)
    first = is_open.order_by("id").values_list("created", flat=True).first()
    yield GaugeMetricFamily("tms_run_age_seconds", "Age of the oldest open run", value=_age(first))
    since = timezone.now() - RECENT
    newest = ExportRun.objects.order_by("-id").values_list("state", "finished")[:LOOKED_AT]
    ended = Counter(state for state, at in newest if at is not None and at >= since)
    family = GaugeMetricFamily(
        "tms_runs_ended", "Runs that ended within the last hour", labels=["state"]
    )
    for state in ExportRun.State:
        if state not in ExportRun.OPEN:
            family.add_metric([state.value], ended[state.value])
    yield family


def _deliveries() -> Iterator[Metric]:
    waiting = Delivery.objects.filter(state=Delivery.State.WAITING)
    value = counted(waiting)
    yield GaugeMetricFamily("tms_deliveries_waiting", "Files that wait to be sent", value=value)
    first = waiting.order_by("id").values_list("created", flat=True).first()
    yield GaugeMetricFamily(
        "tms_delivery_age_seconds",
        "Age of the oldest file that waits to be sent",
        value=_age(first),
    )
    failed = counted(Delivery.objects.filter(state=Delivery.State.FAILED))
    yield GaugeMetricFamily("tms_deliveries_failed", "Files that were given up", value=failed)
    paused = Destination.objects.filter(Q(active=False) | Q(paused__isnull=False)).count()
    yield GaugeMetricFamily("tms_destinations_paused", "Destinations that take none", value=paused)


def _flows() -> Iterator[Metric]:
    """Of live exports, how long the oldest reading of the newest file had waited."""
    family = GaugeMetricFamily(
        "tms_flow_delay_seconds", "From a reading's arrival to its live file", labels=["export"]
    )
    for _, name, newest, _, _ in selectors.delays_for_dashboard(FLOWS):
        family.add_metric([name], newest)
    yield family


def _replica() -> Iterator[Metric]:
    """Without a replica, none is behind; what it does not answer is not a number."""
    behind = 0.0
    if REPLICA in settings.DATABASES:
        newest = replica_horizon()
        behind = math.nan if newest is None else max(journal.horizon() - newest, 0)
    yield GaugeMetricFamily("tms_replica_behind", "Batches the replica lacks", value=behind)
    since = timezone.now() - RECENT
    newest = ExportRun.objects.order_by("-id").values_list("pk", "finished")[:LOOKED_AT]
    ended = [pk for pk, at in newest if at is not None and at >= since]
    parts = RunPart.objects.filter(run__in=ended, done=True).order_by().values_list("replica")
    by = dict(parts.annotate(n=Count("pk")))
    family = GaugeMetricFamily(
        "tms_run_parts_read", "Parts of runs that ended within the last hour", labels=["from"]
    )
    for name, by_replica in (("primary", False), ("replica", True)):
        family.add_metric([name], by.get(by_replica, 0))
    yield family


def _age(first) -> float:
    return 0.0 if first is None else max((timezone.now() - first).total_seconds(), 0.0)
