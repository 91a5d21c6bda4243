"""Writing the files of message routes: one writer a route, rows first, then lines (P6).

A step looks at the next events in the order of their batches, stores their records as pending
with their sequences, appends them in one write with one flush, and marks them with the next
step's rows. What a kill leaves behind is settled by the sequence of the file's last line.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from devices import journal
from events.failpoints import passing
from events.models import Event, Held, Route, RouteRecord
from events.models.readers import DONE
from events.mrc import Locked, RouteFile, file_name
from events.rules import RuleBroken
from events.selectors.following import Place, Row, events_after, events_by_key
from events.services.holding import Hold
from events.services.inserting import instants, rows_insert
from events.services.reading import Overtaken
from events.services.records import Draft, Recorder
from events.services.route_problems import (
    locked_note,
    problem_clear,
    problem_note,
    refused_note,
)
from exports.formats import mrc
from exports.formats.base import FormatError

GROUP = 1000  # records of one write
SECONDS = 5.0  # a route's turn; then the next one
LOCKS = 0x544D5311  # advisory locks of writers on PostgreSQL: this and the route's key


def mrc_folder() -> Path:
    """Where the routes' files are."""
    return Path(settings.DATA_DIR) / "mrc"


def route_file(route: Route) -> RouteFile:
    return RouteFile(mrc_folder() / file_name(route.name), route.line_end)


def routes_write() -> bool:
    """Give each active route its turn; True when more is waiting."""
    more = False
    for pk in Route.objects.filter(active=True).values_list("pk", flat=True):
        more |= route_write(pk)
    return more


def route_write(pk: int, seconds: float = SECONDS) -> bool:
    """Write what waits for a route, for some seconds; True when there is more.

    Nothing is done where another process is at it, or where a problem is to be tried again later.
    """
    with writer_lock(pk) as mine:
        route = Route.objects.filter(pk=pk, active=True).first() if mine else None
        if route is None or (route.retry_at and timezone.now() < route.retry_at):
            return False
        end = time.monotonic() + seconds
        try:
            writer = Writer(route)
            while more := writer.step():
                if time.monotonic() > end:
                    break
            writer.mark()
        except Overtaken:
            return True
        except Locked:
            locked_note(route)
            return False
        except (FormatError, RuleBroken) as error:
            problem_note(route, str(error))
            return False
        problem_clear(route)
        return more


@contextmanager
def writer_lock(pk: int) -> Iterator[bool]:
    """Whether we are the route's one writer meanwhile. A dead one's lock is free at once."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [LOCKS, pk])
            mine = cursor.fetchone()[0]
        try:
            yield mine
        finally:
            if mine and connection.connection is not None and not connection.connection.closed:
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [LOCKS, pk])
        return
    folder = mrc_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f".route-{pk}.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


class Writer:
    """The one writer of a route, for a turn."""

    def __init__(self, route: Route) -> None:
        self.route = route
        self.file = route_file(route)
        self.written = 0  # in the file and not yet marked: up to this sequence

    @cached_property
    def recorder(self) -> Recorder:
        return Recorder(self.route)

    def step(self) -> bool:
        """Settle what is pending, else rotate, else take the next group; False: nothing to do."""
        self.route.refresh_from_db(fields=["sequence", "number", "event", "day"])
        if pending := self._pending():
            return self._append(pending)
        if self._rotate():
            return True
        group = self._group()
        if group is None:
            return False
        drafts, held, released, place = group
        if self._is_full() and any(not draft.refusal for draft in drafts):
            self._rename(timezone.now().astimezone(ZoneInfo(settings.TIME_ZONE)))
        passing("store")
        pending = self._store(drafts, held, released, place)
        passing("stored")
        return self._append(pending) if pending else True

    # --- rows first ---------------------------------------------------------------------------

    def _pending(self) -> list[tuple[int, bytes]]:
        rows = RouteRecord.objects.filter(
            route=self.route, state=RouteRecord.State.PENDING, sequence__gt=self.written
        ).order_by("sequence")[:GROUP]
        return [(seq, bytes(line)) for seq, line in rows.values_list("sequence", "line")]

    def _group(self) -> tuple[list[Draft], list[Held], list[int], Place] | None:
        """The next records, new held outages, released ones, and how far this goes."""
        here = Place(self.route.number, self.route.event)
        rows, there = events_after(here, self._limit())
        if self.route.momentary_seconds or Held.objects.filter(route=self.route).exists():
            return self._group_held(rows, here, there)
        if here == there:
            return None
        self.recorder.prepare(rows)
        drafts = [self.recorder.draft(row) for row in rows if self.recorder.takes(row)]
        return drafts, [], [], there

    def _group_held(
        self, rows: Sequence[Row], here: Place, there: Place
    ) -> tuple[list[Draft], list[Held], list[int], Place] | None:
        """As `_group` where outages wait whether they prove momentary."""
        waiting = list(
            Held.objects.filter(route=self.route).order_by("until", "id")[: self._limit()]
        )
        now = rows[0].received if rows else timezone.now()
        due = [held for held in waiting if held.until < now]
        if due:
            outages = events_by_key([held.event_id for held in due])
            order = {held.event_id: n for n, held in enumerate(due)}
            outages.sort(key=lambda row: order[row.pk])
            self.recorder.prepare(outages)
            drafts = [self.recorder.draft(row) for row in outages]
            return drafts, [], [held.pk for held in due], here
        if here == there:
            return None
        # What arrived after a hold's end comes behind what was held, also of these events.
        hold = timedelta(seconds=self.route.momentary_seconds)
        ends = [held.until for held in waiting] + [row.received + hold for row in rows[:1]]
        cut = [row for row in rows if row.received <= min(ends)] if ends else []
        if len(cut) < len(rows):
            rows, there = cut, Place(cut[-1].number, cut[-1].pk)
        return (*self._hold(rows), there)

    def _hold(self, rows: Sequence[Row]) -> tuple[list[Draft], list[Held], list[int]]:
        """Hold outages back, make momentaries of those that are restored in time."""
        hold = Hold(self.route, rows)
        self.recorder.prepare([*rows, *hold.outages.values()])
        drafts: list[Draft] = []
        for row in rows:
            name = self.recorder.mnemonic(row)
            if name == "PWR_RESTORE":
                ended = hold.end(row)
                drafts += [self.recorder.draft(one) for one in ended.rows]
                if ended.whole:
                    continue
            if not self.recorder.takes(row):
                continue
            if name == "PWR_OUTAGE" and self.route.momentary_seconds:
                hold.begin(row)
            else:
                drafts.append(self.recorder.draft(row))
        return drafts, hold.new, hold.released

    def _store(
        self, drafts: Sequence[Draft], held: Sequence[Held], released: Sequence[int], place: Place
    ) -> list[tuple[int, bytes]]:
        """Store records as pending, in one transaction with how far this goes."""
        route, sequence = self.route, self.route.sequence
        rows, pending = [], []
        for draft in drafts:
            refusal, line = draft.refusal, b""
            if not refusal:
                try:
                    line = mrc.record(sequence + 1, draft.body)
                    sequence += 1
                    pending.append((sequence, line))
                except FormatError as error:
                    refusal = str(error)
            rows.append(_row(route, draft, None if refusal else sequence, line, refusal))
        with transaction.atomic():
            self._mark_rows()
            if not _move(route, sequence, place):
                raise Overtaken(route.name)
            _insert(rows)
            if held or released:
                Held.objects.bulk_create(held)
                Held.objects.filter(pk__in=released).delete()
            if refused := [row.reason for row in rows if row.reason]:
                refused_note(route, refused)
        return pending

    # --- then lines ---------------------------------------------------------------------------

    def _append(self, pending: Sequence[tuple[int, bytes]]) -> bool:
        """Append what the file does not have yet; True: go on."""
        with self.file.locked() as file:
            last = file.settle(self.route.sequence)
            lines = [line for sequence, line in pending if sequence > last]
            if lines and not file.append(lines):
                return True  # moved away: once more, into a new file
        self.written = pending[-1][0]
        return True

    def mark(self) -> None:
        """Mark what is in the file."""
        if self.written:
            passing("mark")
            self._mark_rows()
            passing("marked")

    def _mark_rows(self) -> None:
        if self.written:
            RouteRecord.objects.filter(
                route=self.route, state=RouteRecord.State.PENDING, sequence__lte=self.written
            ).update(state=RouteRecord.State.DONE)

    # --- rotation -----------------------------------------------------------------------------

    def _limit(self) -> int:
        """Records that go into the file before it is rotated by size, at most a group."""
        if self.route.rotation != Route.Rotation.SIZE:
            return GROUP
        room = self._room()
        return min(GROUP, room if room > 0 else max(self.route.rotate_bytes // self.file.width, 1))

    def _room(self) -> int:
        size = self.file.path.stat().st_size if self.file.exists() else 0
        return (self.route.rotate_bytes - size) // self.file.width

    def _is_full(self) -> bool:
        """Whether another record would pass the size at which the file is rotated."""
        rotating = self.route.rotation == Route.Rotation.SIZE
        return rotating and self._room() <= 0 and self.file.exists()

    def _rotate(self) -> bool:
        """Rotate at midnight; nothing is pending. True: done, look again."""
        now = timezone.now().astimezone(ZoneInfo(settings.TIME_ZONE))
        if self.route.rotation != Route.Rotation.DAILY or self.route.day == now.date():
            return False
        if self.route.day is not None and self.file.exists():
            self._rename(now.replace(hour=0, minute=0, second=0))
        self.route.day = now.date()
        Route.objects.filter(pk=self.route.pk).update(day=self.route.day)
        return True

    def _rename(self, stamp: datetime) -> None:
        self.mark()
        with self.file.locked() as file:
            file.settle(self.route.sequence)
            self.file.rotate(stamp)


class Stored(NamedTuple):
    """A row of RouteRecord to be stored."""

    route_id: int
    sequence: int | None
    event_id: int
    resent: bool
    state: str
    line: bytes
    received: datetime
    reason: str


def _row(
    route: Route,
    draft: Draft,
    sequence: int | None,
    line: bytes,
    refusal: str,
    resent: bool = False,
) -> Stored:
    states = RouteRecord.State
    state = states.REFUSED if refusal else states.PENDING
    reason = refusal[:255]
    return Stored(
        *(route.pk, sequence, draft.event, resent),
        *(state.value, line, draft.received, reason),
    )


def _insert(rows: Sequence[Stored]) -> None:
    times = instants({row.received for row in rows})
    values = [(*row[:6], times[row.received], row.reason) for row in rows]
    rows_insert(RouteRecord, Stored._fields, values)


def _move(route: Route, sequence: int, place: Place) -> bool:
    """Give sequences up to `sequence` and move on; False when somebody else did meanwhile."""
    rows = Route.objects.filter(
        pk=route.pk, sequence=route.sequence, number=route.number, event=route.event
    )
    return bool(rows.update(sequence=sequence, number=place.number, event=place.event))


# --- what operators do --------------------------------------------------------------------------


def route_start(route: Route) -> None:
    """Begin with what arrives from now on; called when a route is made or switched on."""
    Route.objects.filter(pk=route.pk).update(number=journal.horizon(), event=DONE, retry_at=None)


def route_resend(route: Route, events: Sequence[Event]) -> int:
    """Write events once more, marked as replay, with new sequences; how many can be written.

    The route's writer appends them after what waits already.
    """
    rows = events_by_key([event.pk for event in events])
    with transaction.atomic():
        route = Route.objects.select_for_update().get(pk=route.pk)
        recorder = Recorder(route)
        recorder.prepare(rows)
        sequence, records = route.sequence, []
        for row in rows:
            draft = recorder.draft(row, resent=True)
            sequence += not draft.refusal
            line = b"" if draft.refusal else mrc.record(sequence, draft.body)
            given = None if draft.refusal else sequence
            records.append(_row(route, draft, given, line, draft.refusal, resent=True))
        _insert(records)
        Route.objects.filter(pk=route.pk).update(sequence=sequence)
    return sequence - route.sequence
