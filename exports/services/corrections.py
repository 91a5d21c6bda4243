"""Correction files: nothing but what changed after it was sent, and all of that.

Of a since-last export they share cursor and backlog with its other runs, so nothing goes out twice.
An export of periods has no cursor: each stretch of time was sent up to the horizon of the newest
run that covered it, and what is newer is its correction, whether it was there before or not.
"""

from devices import journal
from devices.readings import instant
from exports.models import Backlog, ExportDefinition, ExportRun
from exports.periods import Period
from exports.scope import Window, windows_merge
from exports.services.requests import period_of_all

SENT = (ExportRun.State.DONE, ExportRun.State.EMPTY)


class NotNow(ValueError):
    """A run that cannot be asked for: the definition has one already, or none can be made."""


def correction_scope(definition: ExportDefinition) -> tuple[int, list[Window], Period]:
    """Since which number corrections of a definition are looked for, in which windows of time,
    and over which period. NotNow when there can be none."""
    if definition.is_flow:
        raise NotNow(f"{definition} sends corrections as they arrive; it makes no files of them")
    if _newest_batch(definition) is None:
        raise NotNow(f"{definition} has sent nothing yet, so there is nothing to correct")
    if definition.is_since_last:
        return definition.cursor, [], period_of_all()
    windows = windows_sent(definition)
    if not windows:
        raise NotNow(
            f"What {definition} has sent is older than the journal is kept; export the period again"
        )
    period = instant(windows[0].start), instant(windows[-1].end)
    return min(window.number for window in windows), windows, period


def windows_sent(definition: ExportDefinition) -> list[Window]:
    """What an export of periods has sent: stretches of time, and up to which batch each. Runs from
    before the journal begins are left out."""
    runs = definition.runs.filter(
        state__in=SENT, original=None, horizon__gte=max(1, journal.base_number())
    )
    found = [
        Window(int(start.timestamp()), int(end.timestamp()), horizon)
        for start, end, horizon in runs.filter(since=None).values_list("start", "end", "horizon")
    ]
    corrected = runs.filter(corrections=True).exclude(windows=[])
    for windows, horizon in corrected.values_list("windows", "horizon"):
        found += [Window(start, end, horizon) for start, end, _ in windows]
    return windows_merge(found)


def correction_plan(run: ExportRun) -> None:
    """What a run of corrections takes from the runs before it, when it is planned: these may have
    ended after it was asked for."""
    if not run.corrections or run.definition is None:
        return
    run.original_batch = _newest_batch(run.definition) or ""
    if run.windows:
        run.since, windows, (run.start, run.end) = correction_scope(run.definition)
        run.windows = [list(window) for window in windows]


def _newest_batch(definition: ExportDefinition) -> str | None:
    """The batch id of the newest file that is no correction: it is said to be put right."""
    sent = definition.runs.filter(state=ExportRun.State.DONE, original=None, corrections=False)
    return sent.order_by("-id").values_list("batch_id", flat=True).first()


def held_devices(definition: ExportDefinition) -> list[int]:
    """Devices that are held back: corrections of them wait, too, until they are released."""
    rows = definition.backlog.filter(reason=Backlog.Reason.HELD).order_by()
    return list(rows.values_list("device_id", flat=True).distinct())
