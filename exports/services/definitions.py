"""Definitions: saved, turned into runs, put on the clock."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from devices import journal
from devices.models import Device, FunctionalGroup
from exports import formats, periods, schedules
from exports.formats.base import FormatError, WriteContext
from exports.hooks import MISSED, RUN_FAILED, alarm
from exports.models import Destination, ExportDefinition, ExportRun, Hold
from exports.scope import Selection, Window
from exports.scope.definitions import selection_of
from exports.services import holds, scopes
from exports.services.corrections import NotNow, correction_scope
from exports.services.gating import gate_of
from exports.services.requests import (
    RunRequest,
    period_of_all,
    request_of,
    run_create,
)

# What decides which readings are sent and how; a change of these is a new version.
CONTENT = ("format", "options", "channels", "units", "zone", "on_error", "on_unsupported")
LATE = timedelta(minutes=2)  # a scheduled time that is missed by more was not served in time


@transaction.atomic
def definition_save(
    definition: ExportDefinition,
    *,
    groups: Iterable[FunctionalGroup],
    devices: Iterable[Device],
    destinations: Iterable[Destination],
    from_now: bool = False,
) -> ExportDefinition:
    """Store a definition that has been checked (`full_clean`).

    A new since-last export begins with all that the store holds (a flow: the journal), or,
    `from_now`, with what comes from now on. What a change brings into the selection of an old one
    is owed (backlog); into that of a flow comes only what arrives afterwards.
    """
    before = _before(definition)
    if definition.pk is None:
        _begin(definition, from_now)
    groups, devices = list(groups), list(devices)
    after = Selection(
        tuple(sorted(group.code for group in groups)),
        tuple(sorted(device.device_id for device in devices)),
        tuple(definition.channels),
        tuple(definition.units),
    )
    changed = before is not None and (before[0] != after or before[1] != _content(definition))
    if changed:
        definition.version += 1
    definition.next_due = next_due(definition, timezone.now())
    definition.save()
    definition.groups.set(groups)
    definition.devices.set(devices)
    definition.destinations.set(destinations)
    owes = definition.is_since_last and not definition.is_flow
    if before is not None and owes and before[0] != after:
        scopes.selection_changed(definition, before[0], after)
    return definition


def _begin(definition: ExportDefinition, from_now: bool) -> None:
    """Where a new definition's cursor and numbers begin."""
    if from_now:
        definition.cursor = definition.began = journal.horizon()
    elif definition.is_flow:
        definition.cursor = journal.base_number()
    definition.next_seq = int((definition.options or {}).get("first_seq", 1))


def _before(definition: ExportDefinition) -> tuple[Selection, dict[str, Any]] | None:
    """Selection and content as they are stored."""
    if definition.pk is None:
        return None
    stored = ExportDefinition.objects.select_for_update().get(pk=definition.pk)
    for name in ("cursor", "next_seq", "version"):
        setattr(definition, name, getattr(stored, name))
    return selection_of(stored), _content(stored)


def _content(definition: ExportDefinition) -> dict[str, Any]:
    return {name: getattr(definition, name) for name in CONTENT}


def receiver_of(destinations: Sequence[Destination]) -> str:
    """The code of the receiver in the files: where all destinations have one and the same."""
    codes = {destination.receiver for destination in destinations}
    return codes.pop() if len(codes) == 1 else ""


# --- runs ----------------------------------------------------------------------------------------


def definition_run(
    definition: ExportDefinition,
    *,
    trigger: str = ExportRun.Trigger.HAND,
    user: Any = None,
    api_key: Any = None,
    key: str | None = None,
    due: datetime | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    corrections: bool = False,
) -> ExportRun:
    """Ask for a run now, or as it was due; `start` and `end` in place of the definition's period;
    `corrections`: of nothing but what changed after it was sent.

    One that waits already is returned instead of another, so pressing twice makes one file.
    ValueError, OptionError when no run can be made; IntegrityError for a key or due time again.
    """
    asked = due or timezone.now()
    if due is None and key is None and start is None:
        waiting = definition.runs.filter(
            state=ExportRun.State.QUEUED, due=None, original=None, corrections=corrections
        )
        since_any = not definition.is_since_last and not corrections
        if found := waiting.filter(since__isnull=since_any).first():
            return found
    since, windows = None, []
    if corrections:
        if start is not None:
            raise NotNow("A correction file has no period: it holds what changed after it was sent")
        since, windows, period = correction_scope(definition)
    elif start is not None and end is not None:
        if definition.is_flow:
            raise NotNow(f"{definition} sends what arrives; export a period by another definition")
        period = (start, end)
    elif definition.is_since_last:
        since, period = definition.cursor, period_of_all()
    else:
        period = definition_period(definition, asked)
    destinations = list(definition.destinations.all())
    request = RunRequest(
        format=definition.format,
        start=period[0],
        end=period[1],
        selection=selection_of(definition),
        options=definition.options,
        zone=definition.zone,
        mode="CO" if corrections else "OR" if since is None else "IN",
        name=definition.name,
        on_error=definition.on_error,
        on_unsupported=definition.on_unsupported,
        since=since,
        corrections=corrections,
        windows=windows,
        gate=None if corrections else gate_of(definition),
        definition=definition,
        destined=bool(destinations),
        receiver=receiver_of(destinations),
        file_name=definition.file_name,
        priority=definition.priority,
        trigger=trigger,
        due=due,
    )
    return run_create(request, user=user, api_key=api_key, key=key)


def released_send(definition: ExportDefinition, *, user: Any = None) -> list[ExportRun]:
    """Send what is released of an export: by its next run, or one of its own for each period."""
    if not definition.is_since_last:
        return holds.released_send(definition, user=user)
    released = definition.holds.filter(state=Hold.State.RELEASED, device__isnull=False)
    return [definition_run(definition, user=user)] if released.exists() else []


def definition_period(definition: ExportDefinition, asked: datetime) -> periods.Period:
    """The period of a run asked for at an instant, in the definition's zone (else the system's)."""
    given: dict[str, Any] = {}
    if definition.period == "last_n_days":
        given["days"] = definition.days
    elif definition.period == "fixed":
        given["start"], given["end"] = definition.start, definition.end
    elif definition.period == "bill_period":
        given["bills"] = bill_dates(definition.bill_day or 1, asked, definition.schedule_clock)
    zone = definition.zone or settings.TIME_ZONE
    period = periods.period_for(definition.period, asked, zone, **given)
    if period is None:
        raise NotNow("a since-last export has no period")
    return period


def bill_dates(day: int, asked: datetime, zone: str) -> tuple[date, date]:
    """The last two dates with this day of the month, at or before the local date of `asked`."""
    today = asked.astimezone(ZoneInfo(zone)).date()
    month = today.year * 12 + today.month - 1
    bills = [bill for n in range(3) if (bill := _bill(month - n, day)) <= today]
    return bills[1], bills[0]


def _bill(month: int, day: int) -> date:
    """The bill date of a month, counted from year 0."""
    first = date(month // 12, month % 12 + 1, 1)
    following = date((month + 1) // 12, (month + 1) % 12 + 1, 1)
    return min(first + timedelta(days=day - 1), following - timedelta(days=1))


def run_again(run: ExportRun, *, user: Any = None) -> ExportRun:
    """Export a finished run's readings once more, as a batch of its own (mode RE).

    NotNow when it has not been finished, or what it read is no longer kept.
    """
    if run.state not in (ExportRun.State.DONE, ExportRun.State.EMPTY) or run.horizon is None:
        raise NotNow("Only a finished run can be exported again.")
    if run.parts.count() != run.parts_total or not run.parts_total:
        raise NotNow("What this run read is no longer kept; export the period instead.")
    return run_create(
        request_of(
            run,
            mode="RE",
            original=run,
            trigger=ExportRun.Trigger.HAND,
            since=run.since,
            corrections=run.corrections,
            windows=[Window(*window) for window in run.windows],
            gate=run.selection.get("gate"),
        ),
        user=user,
    )


# --- schedules -----------------------------------------------------------------------------------


def next_due(definition: ExportDefinition, after: datetime) -> datetime | None:
    """When the schedule runs next; None without one or while it rests."""
    if not definition.schedule or not definition.active:
        return None
    return schedules.Schedule(definition.schedule, definition.schedule_clock).next_after(after)


def schedules_tick(now: datetime | None = None) -> int:
    """Make the runs that are due; how many. Done each minute, by any number of schedulers.

    A time that was missed because the system was down is made up for once, or left out, as the
    definition says: of several only the last one counts.
    """
    now = now or timezone.now()
    made = 0
    for definition in ExportDefinition.objects.filter(next_due__lte=now).order_by("next_due"):
        made += _definition_due(definition, now)
    return made


def _definition_due(definition: ExportDefinition, now: datetime) -> bool:
    schedule = schedules.Schedule(definition.schedule, definition.schedule_clock)
    first = definition.next_due
    with transaction.atomic():
        taken = ExportDefinition.objects.filter(pk=definition.pk, next_due=first).update(
            next_due=schedule.next_after(now)
        )
        if not taken:
            return False
        last = schedule.missed(first, now)
        due = first if last is None else last.instant
        if now - due > LATE and definition.missed == ExportDefinition.Missed.SKIP:
            alarm(MISSED, f"{definition} was not run at {due:%F %R}Z", link=_page(definition))
            return False
        try:
            with transaction.atomic():
                if not definition.is_since_last:
                    holds.released_send(definition)
                definition_run(definition, trigger=ExportRun.Trigger.SCHEDULE, due=due)
        except IntegrityError:
            return False  # this time has its run already
        except (ValueError, formats.UnknownFormat) as error:
            title = f"{definition} could not be run at {due:%F %R}Z"
            alarm(RUN_FAILED, title, text=str(error), link=_page(definition))
            return False
    return True


def _page(definition: ExportDefinition) -> str:
    return reverse("admin:exports_exportdefinition_change", args=[definition.pk])


def definition_faults(
    definition: ExportDefinition, destinations: Sequence[Destination]
) -> list[str]:
    """What the format would refuse of every meter: seen when the definition is saved, not when
    the file is due."""
    form = formats.get(definition.format)
    now = timezone.now().astimezone(UTC).replace(microsecond=0)
    ctx = WriteContext(
        created=now,
        batch_id=f"{now:%Y%m%d%H%M%S}",
        start=now - timedelta(days=1),
        end=now,
        options=form.options_clean(definition.options, "write"),
        sender=settings.TMS_SENDER_CODE,
        receiver=receiver_of(destinations),
        export=definition.name,
        zone=definition.zone or None,
        system_zone=settings.TIME_ZONE,
        destination=bool(destinations),
    )
    faults = form.faults(ctx)
    try:
        form.name_pattern(ctx.options)
    except FormatError as error:
        faults.append(str(error))
    return faults
