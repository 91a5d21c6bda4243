"""Queries of the pages of exports. Flat: none of them reads more when there are more runs."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count, OuterRef, Prefetch, Q, QuerySet, Subquery
from django.utils import timezone

from devices.models import Device, FunctionalGroup, ImportJob, Membership
from devices.router import REPLICA
from exports import formats
from exports.models import (
    Backlog,
    Delivery,
    Destination,
    ExportDefinition,
    ExportRun,
    Hold,
    InboxFile,
    RunFile,
    RunPart,
)
from exports.models.definitions import SINCE_LAST, flow_formats
from exports.scope import devices_of

RUNS_LOOKED_AT = 50
SHOWN = 1000  # rows beyond which a number is shown with a plus


def definitions_for_list(rows: QuerySet[ExportDefinition]) -> QuerySet[ExportDefinition]:
    """With groups, and the state of the newest run."""
    newest = ExportRun.objects.filter(definition=OuterRef("pk")).order_by("-id")
    return rows.prefetch_related("groups").annotate(
        last_run_id=Subquery(newest.values("pk")[:1]),
        last_state=Subquery(newest.values("state")[:1]),
    )


def runs_for_list(rows: QuerySet[ExportRun]) -> QuerySet[ExportRun]:
    """With definition and user, the number of files, and without what only a page shows."""
    files = RunFile.objects.filter(run=OuterRef("pk"), published=True).order_by()
    counted = files.values("run").annotate(n=Count("pk")).values("n")
    return (
        rows.select_related("definition", "user")
        .defer("warnings", "error", "options")
        .annotate(file_count=Subquery(counted))
    )


def runs_for_definition(definition: ExportDefinition, limit: int) -> list[ExportRun]:
    """Its newest runs."""
    return list(runs_for_list(definition.runs.order_by("-id"))[:limit])


def open_run_for_definition(definition: ExportDefinition) -> ExportRun | None:
    """The run that is on its way, or waits."""
    return definition.runs.filter(state__in=ExportRun.OPEN).order_by("id").first()


def devices_for_definition(definition: ExportDefinition) -> list[Device]:
    """The first of the devices that it is narrowed to."""
    return list(definition.devices.order_by("device_id")[:20])


def backlog_for_definition(definition: ExportDefinition) -> list[tuple[str, str]]:
    """How much is owed, by reason: label and number, a plus where it is more."""
    found = []
    for reason in Backlog.Reason:
        rows = definition.backlog.filter(reason=reason)
        count = rows[:SHOWN].count()
        if count:
            found.append((reason.label, f"{count:,}{'+' if count == SHOWN else ''}"))
    return found


def groups_for_coverage(definition: ExportDefinition, limit: int) -> list[str]:
    """Groups to narrow a map by: the definition's own, or of the whole fleet the first ones."""
    own = list(definition.groups.order_by("code").values_list("code", flat=True)[:limit])
    if own:
        return own
    return list(FunctionalGroup.objects.order_by("code").values_list("code", flat=True)[:limit])


def holds_for_definition(definition: ExportDefinition) -> tuple[int, int]:
    """How many meters and runs are held, and how many are released and wait to be sent; up to
    SHOWN each."""
    rows = definition.holds.order_by()
    held = rows.filter(state=Hold.State.HELD)[:SHOWN].count()
    return held, rows.filter(state=Hold.State.RELEASED, device__isnull=False)[:SHOWN].count()


def hold_for_run(run: ExportRun) -> Hold | None:
    """The row of a run that is, or was, held as a whole."""
    return run.holds.filter(device=None).first()


def meters_for_run(run: ExportRun, limit: int | None = None) -> Iterator[tuple[str, str]]:
    """The meters of a run that were not exported, and why, in the file's order; empty when they
    were and no limit is given. Of a flow only those left out: its scope is what arrived."""
    found = 0
    parts = run.parts.order_by("position").values_list("data", "segments", "findings")
    for data, segments, findings in parts.iterator(chunk_size=1):
        why = dict.fromkeys(findings.get("nothing", ()), "nothing there")
        gate = run.selection.get("gate") or {}
        held = "held" if gate.get("action") == "meter" else "falls short, sent all the same"
        why |= {row[0]: f"{held}: {row[5]}" for row in findings.get("short", ())}
        for segment in segments:
            for name, channel, code in segment["tally"]["left_out"]:
                of = "" if channel is None else f"channel {channel} "
                why[name] = f"{of}left out: {code}"
        if run.is_flow:
            names = list(why)
        else:
            names = list(dict.fromkeys(info.device_id for info in devices_of(bytes(data))))
        for name in names:
            if name in why or limit is None:
                yield name, why.get(name, "")
                found += 1
            if found == limit:
                return


def files_for_run(run: ExportRun) -> list[RunFile]:
    """The first of a run's files, with their deliveries."""
    deliveries = Delivery.objects.select_related("destination").order_by("id")
    return list(
        run.files.filter(published=True)
        .order_by("position")
        .prefetch_related(Prefetch("deliveries", deliveries))[:100]
    )


def source_for_run(run: ExportRun) -> str:
    """Which database served the parts of a run, in words; empty where there is no replica."""
    if REPLICA not in settings.DATABASES:
        return ""
    done, served = run.parts.filter(done=True).count(), run.parts.filter(replica=True).count()
    if not done:
        return ""
    if served in (0, done):
        return "the replica" if served else "the primary database"
    return f"the replica ({served:,} of {done:,} parts), else the primary database"


def waiting_for_destination(destination: Destination) -> str:
    """How many files wait for it, a plus where there are more."""
    waiting = destination.deliveries.filter(state=Delivery.State.WAITING)[:SHOWN].count()
    return f"{waiting:,}{'+' if waiting == SHOWN else ''}"


def deliveries_for_destination(destination: Destination, limit: int) -> list[Delivery]:
    """Its newest deliveries."""
    rows = destination.deliveries.select_related("file", "destination").order_by("-id")
    return list(rows[:limit])


def destinations_for_dashboard(limit: int) -> list[Destination]:
    """Those that are paused."""
    return list(Destination.objects.filter(paused__isnull=False).order_by("name")[:limit])


def inbox_for_dashboard(limit: int) -> list[InboxFile]:
    """The files that were taken in last."""
    return list(InboxFile.objects.defer("report").order_by("-id")[:limit])


def imports_for_dashboard(limit: int) -> list[ImportJob]:
    """The files of the inventory that were taken in last from their folders."""
    jobs = ImportJob.objects.filter(origin=ImportJob.Origin.INBOX)
    return list(jobs.only("filename", "kind", "state", "created").order_by("-id")[:limit])


def runs_for_dashboard(limit: int) -> dict[str, list[ExportRun]]:
    """What is on its way, and what ended lately."""
    rows = ExportRun.objects.select_related("definition").defer("warnings", "options")
    return {
        "open": list(rows.filter(state__in=ExportRun.OPEN).order_by("priority", "id")[:limit]),
        "ended": list(rows.exclude(state__in=ExportRun.OPEN).order_by("-id")[:limit]),
    }


def failures_for_dashboard() -> tuple[int, int]:
    """Runs that failed within a day, and deliveries that wait after a failure or have failed."""
    since = timezone.now() - timedelta(days=1)
    failed = ExportRun.objects.filter(state=ExportRun.State.FAILED).order_by("-id")[:SHOWN]
    runs = sum(1 for run in failed.values("finished") if (run["finished"] or since) > since)
    stuck = Delivery.objects.filter(state=Delivery.State.FAILED)[:SHOWN].count()
    stuck += Delivery.objects.filter(state=Delivery.State.WAITING, attempts__gt=0)[:SHOWN].count()
    return runs, stuck


def holds_for_dashboard() -> tuple[int, int]:
    """Meters and runs that are held, up to SHOWN each."""
    held = Hold.objects.filter(state=Hold.State.HELD).order_by()
    meters = held.filter(device__isnull=False)[:SHOWN].count()
    return meters, held.filter(device=None)[:SHOWN].count()


def delays_for_dashboard(limit: int) -> list[tuple[int, str, float, float, int]]:
    """Of each live export its key and name, and how many seconds passed from the arrival of the
    oldest reading to the file that holds it: in the newest file, at most in the newest ones, and
    how many these are."""
    found = []
    live = ExportDefinition.objects.filter(period=SINCE_LAST, format__in=flow_formats())
    for definition in live.order_by("name")[:limit]:
        files = definition.runs.filter(state=ExportRun.State.DONE, first_received__isnull=False)
        times = files.order_by("-id").values_list("first_received", "finished")[:RUNS_LOOKED_AT]
        delays = [(finished - first).total_seconds() for first, finished in times]
        if delays:
            found.append((definition.pk, definition.name, delays[0], max(delays), len(delays)))
    return found


def next_for_dashboard(limit: int) -> list[ExportDefinition]:
    """The exports that run next by their schedules."""
    on_the_clock = ExportDefinition.objects.filter(next_due__isnull=False)
    return list(on_the_clock.order_by("next_due")[:limit])


def definitions_for_device(device: Device, limit: int) -> list[ExportDefinition]:
    """The exports that select a device, or did while it was in one of their groups."""
    groups = Membership.objects.filter(device=device).values("group")
    rows = ExportDefinition.objects.filter(Q(groups=None) | Q(groups__in=groups))
    rows = rows.filter(Q(devices=None) | Q(devices=device))
    return list(rows.distinct().order_by("name")[:limit])


def files_for_device(device: Device, limit: int) -> list[RunFile]:
    """The newest files of exports that this device is in; looked for in the newest runs only."""
    runs = ExportRun.objects.filter(definition__isnull=False, state=ExportRun.State.DONE)
    found: list[RunFile] = []
    for run in runs.order_by("-id")[:RUNS_LOOKED_AT]:
        if run_holds(run, device):
            found += run.files.filter(published=True).select_related("run").order_by("position")[:1]
        if len(found) >= limit:
            break
    return found


def runs_with_device(
    device: Device, before: datetime | None
) -> tuple[list[tuple[ExportRun, list[RunFile]]], datetime | None]:
    """Finished runs that this device is in, the newest first, with their files and deliveries.

    The newest runs that finished before an instant are looked at, with one query for all their
    parts; the other value is how far back that came, None: to the first of all.
    """
    runs = ExportRun.objects.filter(definition__isnull=False, state=ExportRun.State.DONE)
    if before is not None:
        runs = runs.filter(finished__lt=before)
    some = list(runs.defer("warnings", "error").order_by("-id")[: RUNS_LOOKED_AT + 1])
    keys: dict[str, list[int]] = {}
    for run in some[:RUNS_LOOKED_AT]:
        key = getattr(device, formats.get(run.format).order(run.options))
        keys.setdefault(key, []).append(run.pk)
    within = Q()
    for key, ids in keys.items():
        within |= Q(run__in=ids, first__lte=key, last__gte=key)
    held: set[int] = set()
    if keys:
        for run_id, data in RunPart.objects.filter(within).values_list("run", "data").iterator():
            if run_id not in held and device.device_id in _ids_of(bytes(data)):
                held.add(run_id)
    deliveries = Prefetch("deliveries", Delivery.objects.select_related("destination"))
    files: dict[int, list[RunFile]] = {}
    rows = RunFile.objects.filter(run__in=held, published=True, position__lte=2)
    for file in rows.order_by("position").prefetch_related(deliveries):
        files.setdefault(file.run_id, []).append(file)
    found = [(run, files.get(run.pk, [])) for run in some[:RUNS_LOOKED_AT] if run.pk in held]
    reached = some[RUNS_LOOKED_AT - 1].finished if len(some) > RUNS_LOOKED_AT else None
    return found, reached


def _ids_of(data: bytes) -> set[str]:
    return {info.device_id for info in devices_of(data)}


def run_holds(run: ExportRun, device: Device) -> bool:
    """Whether a device is in the scope that a run froze."""
    order = formats.get(run.format).order(run.options)
    key = getattr(device, order)
    parts = run.parts.filter(first__lte=key, last__gte=key)
    data = parts.values_list("data", flat=True)
    return any(device.device_id in _ids_of(bytes(one)) for one in data)
