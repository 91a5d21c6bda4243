"""Taking in a batch: validated, stored whole or not at all, answered the same ever after.

Everything is looked up and checked before the transaction that stores it; what may have changed
meanwhile is looked at again inside. The codes of problems are those of `ingest.problems.CODES`.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

import msgspec
from django.conf import settings
from django.db import IntegrityError, OperationalError, transaction
from django.utils import timezone

from devices import batchform, journal, tracing
from devices.batchform import BatchRefused, Created, Delivery, Form
from devices.models import ApiKey, Batch
from devices.readings import SOURCES, Event, RegisterRead
from devices.services.ingest.events import batch_hooks_run, events_check
from devices.services.ingest.layout import duplicates_find, entries_cut, places_find
from devices.services.ingest.lookup import KnownChannel, channels_closed, devices_find
from devices.services.ingest.numbers import slots_read
from devices.services.ingest.plain import Plain, plain_read
from devices.services.ingest.problems import Faults
from devices.services.ingest.provision import Made, Plan, Provision
from devices.services.ingest.quarantine import strangers_keep
from devices.services.ingest.registers import Desk, reads_shelve
from devices.services.ingest.resolve import Resolver, form_is_brief, names_wanted

ATTEMPTS = 5  # while others make the same devices or channels at the same time


class Answer(NamedTuple):
    """What a batch is answered with. `created`: stored now, not before. `text`: JSON."""

    status: Literal["accepted", "partial"]
    created: bool
    text: str


class KeyConflict(Exception):
    """The key names another batch."""


class _Changed(Exception):
    """The inventory is no longer as it was looked up."""


@dataclass(slots=True)
class Draft:
    """A batch that has been checked, ready to be stored. Keys may still be planned ones."""

    form: Form
    faults: Faults
    plan: Plan | None
    now: datetime
    devices: set[int]
    channels: dict[int, KnownChannel]
    entries: list[journal.Entry]
    intervals: int
    reads: list[tuple[int, RegisterRead]]
    registers: int  # reads, those of start and end readings too
    events: list[tuple[int, Event]]
    strangers: list[int]  # places of meters for the quarantine
    plain: Plain | None = None  # the same of a batch of one interval a meter, as columns


def batch_accept(
    form: Form,
    *,
    body_hash: bytes,
    key: str | None,
    api_key: ApiKey | None,
    provision: Provision | None = None,
    body: bytes | None = None,
) -> Answer:
    """Store a batch, durably, and answer it; or answer a repeated one as before.

    `key` names it among the batches of `api_key`. `provision` makes what is unknown. `body` is
    kept beside it. BatchRefused: nothing was stored. KeyConflict: another batch has the key.
    OperationalError: others kept changing what the batch speaks of; it may be sent again.
    """
    for _ in range(ATTEMPTS):
        if key is not None and (stored := _stored(key, api_key, body_hash)):
            return stored
        with _collector_paused():
            draft = _draft(form, api_key, provision)
            batch = Batch(
                api_key=api_key,
                key=key,
                body_hash=body_hash,
                source=form.source,
                received=draft.now,
                body=body,
            )
            journal.prepare(draft.now)
            try:
                with transaction.atomic(durable=True):
                    return _store(batch, draft)
            except (_Changed, IntegrityError) as error:
                meanwhile = error
    raise OperationalError(f"the inventory changed {ATTEMPTS} times meanwhile") from meanwhile


@contextmanager
def _collector_paused() -> Iterator[None]:
    """No search for garbage cycles meanwhile: a batch is many small objects, and none of them."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


def _stored(key: str, api_key: ApiKey | None, body_hash: bytes) -> Answer | None:
    """The answer of a batch of this key. A key past its term is free again."""
    row = (
        Batch.objects.filter(api_key=api_key, key=key)
        .values_list("pk", "received", "body_hash", "answer", "refused")
        .first()
    )
    if row is None:
        return None
    pk, received, stored_hash, text, refused = row
    if received < timezone.now() - timedelta(days=settings.TMS_KEY_DAYS):
        Batch.objects.filter(pk=pk).update(key=None)
        return None
    if bytes(stored_hash) != body_hash:
        raise KeyConflict(f"Batch {key} was posted with another body; give this one another name.")
    return Answer("partial" if refused else "accepted", False, text)


# --- checking -----------------------------------------------------------------------------------


def _draft(form: Form, api_key: ApiKey | None, provision: Provision | None) -> Draft:
    """Look everything up, check everything. BatchRefused when nothing may be stored."""
    now = timezone.now()
    faults = Faults()
    if isinstance(form, Delivery):
        for index, problems in form.faults.items():
            faults.put(index, problems)
    plan = None if provision is None else Plan(provision)
    if plan is None and not faults and (plain := plain_read(form, api_key, now)):
        size = len(plain.channels)
        return Draft(form, faults, None, now, plain.devices, {}, [], size, [], 0, [], [], plain)
    brief = plan is None and form_is_brief(form)
    known = devices_find(names_wanted(form, plan), api_key, brief=brief)
    resolver = Resolver(form, known, api_key, plan, brief, faults, now.year)
    resolver.resolve()
    devices = {index: device.pk for index, device in resolver.devices.items()}
    slots = slots_read(resolver.runs, form.source == "edited", faults)
    places = places_find(slots, now, faults)
    desk = Desk(SOURCES[form.source], now, faults)
    posted = {i: desk.reads(i, form.meters[i]) for i in devices if form.meters[i].registers}
    events = {i: events_check(i, form.meters[i], faults) for i in devices if form.meters[i].events}
    duplicates_find(slots, places, faults)
    reads = reads_shelve(slots, places, posted, devices, desk)
    good = [index for index in devices if index not in faults]
    if faults and (form.on_error == "batch" or not (good or resolver.strangers)):
        raise BatchRefused(faults.listed())
    return Draft(
        form,
        faults,
        plan,
        now,
        devices={devices[index] for index in good},
        channels={run.channel.pk: run.channel for run in slots.runs if run.meter not in faults},
        entries=entries_cut(slots, places, faults),
        intervals=slots.size(faults),
        reads=reads,
        registers=len(reads),
        events=[(devices[i], event) for i in events if i not in faults for event in events[i]],
        strangers=resolver.strangers,
    )


# --- storing ------------------------------------------------------------------------------------


def _store(batch: Batch, draft: Draft) -> Answer:
    """Store a checked batch; inside its transaction, the number last."""
    _eras_check(draft)
    batch.devices, batch.intervals = len(draft.devices), draft.intervals
    batch.registers, batch.refused = draft.registers, len(draft.faults.by_meter)
    batch.save(force_insert=True)
    tracing.note(batch=batch.pk)
    made = Made({}, {})
    if draft.plan is not None:
        made = draft.plan.create(draft.devices, draft.channels.keys())
    if draft.strangers:
        strangers_keep(batch, draft.form, draft.strangers, draft.faults)
    if draft.plain:
        journal.columns_append(batch, draft.plain.entries)
    if draft.entries:
        journal.entries_append(batch, made.entries(draft.entries))
    if draft.reads:
        journal.registers_append(batch, made.of_devices(draft.reads))
    batch.events = batch_hooks_run(batch, made.of_devices(draft.events))
    answer = batchform.Answer(
        batch=batch.key or str(batch.pk),
        status="partial" if draft.faults else "accepted",
        devices=batch.devices,
        intervals=batch.intervals,
        registers=batch.registers,
        events=batch.events,
        created=Created(len(made.devices), len(made.channels)),
        refused=draft.faults.refused(),
    )
    batch.answer = msgspec.json.encode(answer).decode()
    journal.batch_number(batch)
    return Answer(answer.status, True, batch.answer)


def _eras_check(draft: Draft) -> None:
    """See that no channel was closed since it was looked up, and that none is until we commit."""
    still_open = [pk for pk, c in draft.channels.items() if pk > 0 and c.valid_to is None]
    if draft.plain:
        still_open = draft.plain.channels
    if still_open and channels_closed(still_open):
        raise _Changed
