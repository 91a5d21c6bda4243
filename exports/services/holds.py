"""The work list of what the gate holds back: filled by runs, released by people, sent by runs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from devices.models import Device
from exports.failpoints import point
from exports.gate import HOLD_METER, HOLD_RUN
from exports.hooks import HELD, alarm, alarm_clear
from exports.models import ExportDefinition, ExportRun, Hold
from exports.scope import devices_of
from exports.services import backlog
from exports.services.backlog import HELD_CODE, LeftOut
from exports.services.corrections import NotNow
from exports.services.requests import request_of, run_create, selection_of_run
from exports.services.wake import wake_run

State = Hold.State
NAMED = 5  # meters that the reasons of a held run name


# --- what a run finds -----------------------------------------------------------------------------


def holds_plan(run: ExportRun) -> None:
    """When a run is planned: who has been released by now passes its gate. A since-last run covers
    what an older one of its export, held as a whole, would have sent."""
    if run.definition is None or run.original_id:
        return
    if run.moves_cursor:
        for held in run.definition.runs.filter(state=ExportRun.State.HELD, windows=[]):
            if held.moves_cursor:
                run_drop(held, State.REPLACED, f"Run {run.batch_id} covers the same readings.")
    gate = run.selection.get("gate")
    if gate is not None:
        rows = _of_meters(run).filter(state=State.RELEASED)
        names = rows.order_by("device__device_id").values_list("device__device_id", flat=True)
        run.selection = {**run.selection, "gate": {**gate, "released": list(names)}}


def _of_meters(run: ExportRun) -> Any:
    """The rows of meters that a run may settle: of a since-last export any, else of its period."""
    rows = Hold.objects.filter(definition=run.definition_id, device__isnull=False)
    rows = rows.select_related("device")
    return rows if run.moves_cursor else rows.filter(start=run.start, end=run.end)


def shorts_of(run: ExportRun) -> list[list[Any]]:
    """Device id, figures and reasons of all meters of a run that fall short."""
    stored = run.parts.filter(findings__has_key="short").order_by("position")
    return [
        row for findings in stored.values_list("findings", flat=True) for row in findings["short"]
    ]


def holds_settle(run: ExportRun, left_out: Sequence[LeftOut]) -> list[LeftOut]:
    """Within the commit of a run: who was held out is on the work list, who went out is off it.
    Returns what is owed because it is held."""
    if run.definition is None or run.original_id or run.corrections:
        return []
    Hold.objects.filter(run=run, device=None, state=State.RELEASED).update(
        state=State.SENT, sent_in=run
    )
    gate = run.selection.get("gate")
    short = {row[0]: row for row in shorts_of(run)} if _holds_meters(gate) else {}
    out = {name for name, _, _ in left_out}
    devices = dict(_devices([*short]))
    open_ = {row.device_id: row for row in _of_meters(run).filter(state__in=Hold.OPEN)}
    there = run.owed.values_list("device_id", flat=True) if run.moves_cursor else _there(run, open_)
    gone = set(there) - set(devices.values()) - {pk for _, pk in _devices([*out])}
    mine = _of_meters(run).filter(device__in=gone)
    mine.filter(state=State.RELEASED).update(state=State.SENT, sent_in=run)
    mine.filter(state=State.HELD).update(state=State.PASSED, sent_in=run)
    for name, row in short.items():
        known = open_.get(devices[name])
        if known is None:
            Hold.objects.create(**_what(run, row), device_id=devices[name])
        else:  # what was released meanwhile stays so, and goes with the next run
            Hold.objects.filter(pk=known.pk).update(run=run, **_figures(row))
    return [(name, None, HELD_CODE) for name in short] if run.moves_cursor else []


def _there(run: ExportRun, open_: Mapping[int, Hold]) -> set[int]:
    """Those of some devices, by primary key, that are in the scope of a run."""
    if not open_:
        return set()
    names = {row.device.device_id: pk for pk, row in open_.items() if row.device}
    parts = run.parts.values_list("data", flat=True).iterator(chunk_size=1)
    found = {info.device_id for data in parts for info in devices_of(bytes(data))}
    return {names[name] for name in found & names.keys()}


def _holds_meters(gate: Any) -> bool:
    return gate is not None and gate["action"] == HOLD_METER


def _figures(row: Sequence[Any]) -> dict[str, Any]:
    names = ("readings", "missing", "estimated", "questionable")
    return {**dict(zip(names, row[1:5], strict=True)), "reasons": row[5][:300]}


def _what(run: ExportRun, row: Sequence[Any]) -> dict[str, Any]:
    base = {"definition": run.definition, "run": run, "start": run.start, "end": run.end}
    return {**base, **_figures(row)}


def _devices(names: Sequence[str]) -> Iterable[tuple[str, int]]:
    for first in range(0, len(names), 1000):
        rows = Device.objects.filter(device_id__in=names[first : first + 1000])
        yield from rows.values_list("device_id", "pk")


# --- a run held as a whole ------------------------------------------------------------------------


def may_be_held(run: ExportRun) -> bool:
    """Whether its gate may hold the run as a whole, once all parts are written."""
    gate = run.selection.get("gate")
    holds = gate is not None and gate["action"] == HOLD_RUN
    return holds and run.definition is not None and not run.original_id


@transaction.atomic
def run_hold(run: ExportRun) -> bool:
    """Hold a run whose parts are written, if its gate says so; whether it is held. Nothing of it
    appears before it is released."""
    if not may_be_held(run):
        return False
    short = shorts_of(run)
    if not short or Hold.objects.filter(run=run, device=None).exists():
        return False
    held = ExportRun.objects.filter(
        pk=run.pk, state__in=ExportRun.OPEN, phase=ExportRun.Phase.WRITE, cancel_asked=False
    ).update(state=ExportRun.State.HELD, phase=ExportRun.Phase.JOIN, worker="", lease_until=None)
    if held:
        names = ", ".join(row[0] for row in short[:NAMED])
        more = f" and {len(short) - NAMED:,} more" if len(short) > NAMED else ""
        why = f"{len(short):,} of {run.expected:,} meters fall short: {names}{more}"
        sums = [sum(row[n] for row in short) for n in range(1, 5)]
        Hold.objects.create(**_what(run, ["", *sums, why]))
        address = reverse("admin:exports_exportrun_change", args=[run.pk])
        alarm(HELD, f"Export {run.name} is held back", key=str(run.pk), text=why, link=address)
        point("run held, in the transaction")
    return bool(held)


@transaction.atomic
def run_drop(run: ExportRun, state: str, why: str) -> bool:
    """End a run that is held without sending it; what it took up is owed as before."""
    ended = ExportRun.objects.filter(pk=run.pk, state=ExportRun.State.HELD).update(
        state=ExportRun.State.CANCELLED, error=why, finished=timezone.now()
    )
    if ended:
        backlog.backlog_release(run)
        Hold.objects.filter(run=run, device=None, state=State.HELD).update(state=state)
        alarm_clear(HELD, str(run.pk))
    return bool(ended)


# --- what people decide ---------------------------------------------------------------------------


@transaction.atomic
def hold_release(hold: Hold, *, user: Any, note: str) -> bool:
    """Let a meter or a run pass, with a note; False when somebody has decided already. ValueError
    without a note, NotNow while a newer run of the same export is made."""
    note = note.strip()
    if not note:
        raise ValueError("Say in a note why it may go out.")
    released = Hold.objects.filter(pk=hold.pk, state=State.HELD).update(
        state=State.RELEASED,
        note=note[:2000],
        decided_by=user.get_username(),
        decided=timezone.now(),
    )
    if not released or hold.device_id is not None:
        return bool(released)
    if hold.definition.runs.filter(state=ExportRun.State.RUNNING).exists():
        raise NotNow("A newer run of this export is being made; release it when that has ended.")
    ExportRun.objects.filter(pk=hold.run_id, state=ExportRun.State.HELD).update(
        state=ExportRun.State.QUEUED, started=timezone.now()
    )
    alarm_clear(HELD, str(hold.run_id))
    wake_run()
    return True


@transaction.atomic
def released_send(definition: ExportDefinition, *, user: Any = None) -> list[ExportRun]:
    """Runs of their own for the released meters of an export of periods: one a period."""
    rows = definition.holds.select_for_update().filter(
        state=State.RELEASED, device__isnull=False, sent_in=None
    )
    periods: dict[tuple[Any, Any], list[Hold]] = {}
    for row in rows.select_related("device", "run"):
        periods.setdefault((row.start, row.end), []).append(row)
    made = []
    for (start, end), mine in sorted(periods.items()):
        of = mine[-1].run
        names = tuple(sorted(row.device.device_id for row in mine if row.device))
        run = run_create(
            request_of(
                of,
                start=start,
                end=end,
                selection=replace(selection_of_run(of), devices=names),
                definition=definition,
                trigger=ExportRun.Trigger.HAND if user else ExportRun.Trigger.SCHEDULE,
            ),
            user=user,
        )
        Hold.objects.filter(pk__in=[row.pk for row in mine]).update(sent_in=run)
        made.append(run)
    return made


def released_free(run: ExportRun) -> None:
    """A run that has not sent them: released meters wait for another one."""
    Hold.objects.filter(sent_in=run, state=State.RELEASED).update(sent_in=None)
