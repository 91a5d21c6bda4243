"""What /metrics tells of message routes, alarms and mails (settings.TMS_METRICS)."""

from collections.abc import Iterator

from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily, Metric

from devices import journal
from devices.metrics import counted
from events.models import Alarm, Mail, Reader, Route, SystemAlarm

ROUTES = 200  # told of one by one, at most


def metrics() -> Iterator[Metric]:
    """The families of this app, in the order of the documentation."""
    yield from _mails()
    waiting = counted(Alarm.objects.filter(state=Alarm.State.WAITING))
    yield GaugeMetricFamily("tms_alarms_waiting", "Alarms nobody was told of yet", value=waiting)
    standing = counted(SystemAlarm.objects.filter(cleared=None))
    yield GaugeMetricFamily("tms_system_alarms", "Alarms of TMS itself that stand", value=standing)
    yield from _readers()


def _mails() -> Iterator[Metric]:
    queued = Mail.objects.filter(state=Mail.State.QUEUED)
    yield GaugeMetricFamily("tms_mails_queued", "Mails that wait to be sent", value=counted(queued))
    first = queued.order_by("id").values_list("notification__created", flat=True).first()
    age = 0.0 if first is None else max((timezone.now() - first).total_seconds(), 0.0)
    yield GaugeMetricFamily("tms_mail_age_seconds", "Age of the oldest mail that waits", value=age)
    failed = counted(Mail.objects.filter(state=Mail.State.FAILED))
    yield GaugeMetricFamily("tms_mails_failed", "Mails that were given up", value=failed)


def _readers() -> Iterator[Metric]:
    """How many batches those who go through the events are behind."""
    newest = journal.horizon()
    family = GaugeMetricFamily(
        "tms_events_lag", "Batches whose events a reader has not done", labels=["reader"]
    )
    places = [*Reader.objects.order_by("name").values_list("name", "number")]
    routes = Route.objects.filter(active=True).order_by("name")
    places += [(f"route {name}", at) for name, at in routes.values_list("name", "number")[:ROUTES]]
    for name, number in places:
        family.add_metric([name], max(newest - number + 1, 0))
    yield family
    troubled = Route.objects.exclude(problem="").count()
    yield GaugeMetricFamily(
        "tms_routes_troubled", "Message routes that cannot write", value=troubled
    )
