"""“Run as soon as all meters pass”: the same figures as the gate's, at the latest as scheduled."""

import logging
from datetime import datetime

from django.core.cache import cache
from django.db import IntegrityError, transaction
from django.utils import timezone

from devices import journal
from exports import formats, schedules
from exports.formats.base import FormatError
from exports.models import ExportDefinition, ExportRun
from exports.scope import Scope, frames_read, parts_freeze
from exports.scope.definitions import selection_of
from exports.services.definitions import definition_period, definition_run
from exports.services.gating import gate_of, short_of
from exports.services.plan import part_devices
from exports.services.requests import scope_of

logger = logging.getLogger(__name__)
PAUSE = 600  # seconds between two looks at one export


def ready_tick(now: datetime | None = None) -> int:
    """Make the runs of exports whose meters are all complete before their time; how many."""
    now = now or timezone.now()
    waiting = ExportDefinition.objects.filter(when_ready=True, active=True, next_due__gt=now)
    made = 0
    for definition in waiting.order_by("next_due"):
        try:
            made += _look(definition, now)
        except (ValueError, FormatError, formats.UnknownFormat) as error:
            logger.warning("%s cannot be looked at before it is due: %s", definition, error)
    return made


def _look(definition: ExportDefinition, now: datetime) -> bool:
    """Look at one, if its period is over and anything has arrived since the last look."""
    due = definition.next_due
    start, end = definition_period(definition, due)
    horizon = journal.horizon()
    looked = (definition.ready_at, definition.ready_to) == (due, horizon)
    if end > now or looked or _made(definition, start, end):
        return False
    if not cache.add(f"ready-{definition.pk}", True, PAUSE):
        return False
    note = short_first(definition, start, end, horizon)
    rows = ExportDefinition.objects.filter(pk=definition.pk, next_due=due)
    if note:
        rows.update(ready_at=due, ready_to=horizon, ready_note=note[:200])
        return False
    after = schedules.Schedule(definition.schedule, definition.schedule_clock).next_after(due)
    try:
        with transaction.atomic():
            if not rows.update(next_due=after, ready_note="", ready_at=due, ready_to=horizon):
                return False
            definition_run(definition, trigger=ExportRun.Trigger.SCHEDULE, due=due)
    except IntegrityError:
        return False  # this time has its run already
    return True


def _made(definition: ExportDefinition, start: datetime, end: datetime) -> bool:
    """Whether the period has its run already, as one of fixed dates has after the first."""
    runs = definition.runs.filter(start=start, end=end, original=None)
    return runs.exclude(state__in=(ExportRun.State.FAILED, ExportRun.State.CANCELLED)).exists()


def short_first(definition: ExportDefinition, start: datetime, end: datetime, horizon: int) -> str:
    """The first meter of a period that falls short of the definition's gate, and why; empty when
    all pass. Read as a run would be, part by part, up to that meter."""
    form = formats.get(definition.format)
    run = ExportRun(
        definition=definition,
        format=definition.format,
        selection={**_selected(definition), "gate": gate_of(definition)},
        start=start,
        end=end,
        horizon=horizon,
        zone=definition.zone,
    )
    options = form.options_clean(definition.options, "write")
    scope: Scope = scope_of(run, form, options)
    for part in parts_freeze(scope, part_devices(scope)):
        for frame in frames_read(part.data, scope):
            for name, *_, why in short_of(run, frame):
                return f"{name}: {why}"
    return ""


def _selected(definition: ExportDefinition) -> dict[str, list[object]]:
    chosen = selection_of(definition)
    names = ("groups", "devices", "channels", "units")
    return {name: list(getattr(chosen, name)) for name in names}
