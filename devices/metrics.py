"""What /metrics tells of the store, its imports and the processes (settings.TMS_METRICS).

Each family is documented in docs/operations.md. None asks for more when the fleet grows: marks are
single rows, sums are kept, and what is counted is counted to COUNT_LIMIT.
"""

import shutil
from collections.abc import Iterator

from django.conf import settings
from django.db.models import Count, Max, QuerySet, Sum, Value
from django.db.models.functions import Coalesce
from django.utils import timezone
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from devices.journal import marks
from devices.models import Arrived, Batch, Heartbeat, ImportJob, Quarantined

COUNT_LIMIT = 10_000
STEP = 100_000  # batches that are summed at once
SUMS = ("batches", "intervals", "registers", "events", "refused")
WORKER = "worker:"  # and who it is: names of the heartbeats of single workers
HELP = {
    "batches": "Batches stored",
    "intervals": "Interval values stored",
    "registers": "Register reads stored",
    "events": "Events stored",
    "refused": "Meters refused in batches that were stored otherwise",
}


def metrics() -> Iterator[Metric]:
    """The families of this app, in the order of the documentation."""
    yield from _arrivals()
    yield from _journal()
    yield _gauge("tms_quarantined", "Meters in quarantine", counted(_held()))
    yield from _imports()
    yield from _heartbeats()
    free = shutil.disk_usage(settings.DATA_DIR).free
    yield _gauge("tms_data_free_bytes", "Free space of the data directory's disk", free)


def counted(rows: QuerySet) -> int:
    """How many rows, to COUNT_LIMIT: how many there are beyond it changes nothing."""
    return rows.order_by()[:COUNT_LIMIT].count()


def arrived_since(number: int) -> tuple[int, dict[str, int]]:
    """What the batches after a number brought: the last of them, and the sums."""
    rows = Batch.objects.filter(number__gt=number, number__lte=number + STEP)
    zero = Value(0)
    sums = {name: Coalesce(Sum(name), zero) for name in SUMS[1:]}
    found = rows.aggregate(upto=Max("number"), batches=Count("pk"), **sums)
    return found.pop("upto") or number, found


def _arrivals() -> Iterator[Metric]:
    """Sums that only rise: what is stored, and what came since it was."""
    stored = Arrived.objects.filter(pk=1).values("number", *SUMS).first()
    sums = stored or dict.fromkeys(("number", *SUMS), 0)
    _, since = arrived_since(sums["number"])
    for name in SUMS:
        total = sums[name] + since[name]
        yield CounterMetricFamily(f"tms_{name}", f"{HELP[name]}, ever", value=total)


def _journal() -> Iterator[Metric]:
    now = marks.marks()
    newest, folded = now[marks.BATCH], now[marks.FOLD]
    yield _gauge("tms_batch_number", "Number of the newest committed batch", newest)
    yield _gauge("tms_fold_lag", "Committed batches not yet folded", max(newest - folded, 0))
    oldest = (
        Batch.objects.filter(number__gt=folded)
        .order_by("number")
        .values_list("received", flat=True)
        .first()
    )
    age = 0.0 if oldest is None else (timezone.now() - oldest).total_seconds()
    yield _gauge("tms_fold_age_seconds", "Age of the oldest batch not yet folded", max(age, 0.0))


def _held() -> QuerySet:
    return Quarantined.objects.filter(state=Quarantined.State.HELD)


def _imports() -> Iterator[Metric]:
    family = GaugeMetricFamily("tms_imports_open", "Imports on their way", labels=["state"])
    states = ImportJob.State
    for state in (states.UPLOADED, states.READING, states.QUEUED, states.APPLYING):
        family.add_metric([state.value], counted(ImportJob.objects.filter(state=state)))
    yield family


def _heartbeats() -> Iterator[Metric]:
    processes = GaugeMetricFamily(
        "tms_heartbeat_age_seconds",
        "Age of the last heartbeat of any such process",
        labels=["process"],
    )
    workers = GaugeMetricFamily(
        "tms_worker_heartbeat_age_seconds", "Age of a worker's last heartbeat", labels=["worker"]
    )
    now = timezone.now()
    for name, at in Heartbeat.objects.order_by("name").values_list("name", "at")[:1000]:
        age = max((now - at).total_seconds(), 0.0)
        if name.startswith(WORKER):
            workers.add_metric([name.removeprefix(WORKER)], age)
        else:
            processes.add_metric([name], age)
    yield processes
    yield workers


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)
