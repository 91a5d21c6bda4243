"""What a route writes of an event: selection, places, derived fields (formats/mrc.md 2 and 3)."""

from __future__ import annotations

import re
import unicodedata
import zoneinfo
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from devices.journal import sql
from events import rules
from events.models import Event, Route
from events.pairing import OUTAGE_CLEARS, OUTAGE_SETS, open_since
from events.selectors.catalogue import Type, types_load
from events.selectors.following import Row
from events.selectors.places import NOWHERE, Located, fact_of, located_load
from exports.formats import mrc
from exports.formats.base import FormatError, refusal

TEXT_WIDTH = 40
HISTORY = timedelta(days=400)  # how far back an open outage is looked for


class Draft(NamedTuple):
    """A record of an event, all but its sequence; or why there can be none."""

    event: int
    received: datetime
    body: bytes
    refusal: str = ""


class Recorder:
    """Makes a route's records of events; holds what it needs to know of the catalogue."""

    def __init__(self, route: Route) -> None:
        self.route = route
        self.types = types_load()
        self.selection = rules.selection(
            route.mnemonics.values_list("mnemonic", flat=True),
            route.categories,
            route.severities,
            route.catalogue_default,
        )
        self.groups = frozenset(route.groups.values_list("code", flat=True))
        self.zone = route.zone
        self.located: dict[int, Located] = {}
        self.begun: dict[int, datetime] = {}

    def prepare(self, rows: Sequence[Row]) -> None:
        """Look up, all at once, what the records of these events say of devices and outages."""
        self.located = located_load(row.device for row in rows)
        self.begun = self._outages(rows)

    def takes(self, row: Row) -> bool:
        """Whether an event is the route's."""
        if row.replay == Event.Replay.LATE and self.route.late == Route.Late.LEAVE_OUT:
            return False
        fact = fact_of(row, self.types[row.type], self.located.get(row.device, NOWHERE))
        return self.selection.takes(fact) and rules.scope(self.groups, fact) is not None

    def mnemonic(self, row: Row) -> str:
        return self.types[row.type].mnemonic

    def draft(self, row: Row, resent: bool = False) -> Draft:
        """The record of an event."""
        try:
            return Draft(row.pk, row.received, mrc.body(self._message(row, resent)))
        except FormatError as error:
            refused = error
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
            refused = refusal("FMT15", time=error).at(format="mrc")
        return Draft(row.pk, row.received, b"", str(refused)[:255])

    def _message(self, row: Row, resent: bool) -> mrc.Message:
        kind = self.types[row.type]
        located = self.located.get(row.device, NOWHERE)
        zone = zoneinfo.ZoneInfo(self.zone or located.zone)
        point, transformer, feeder = located.place_at(row.time)
        late = row.replay == Event.Replay.LATE
        oms = mrc.OMS_WORDS.get(kind.mnemonic, mrc.OTHER)
        return mrc.Message(
            *(row.pk, kind.mnemonic, row.origin, row.native, row.iec_code),
            mrc.OTHER if late and self.route.late == Route.Late.OTHER else oms,
            *(row.category, row.severity, kind.state),
            *(located.meter_number, point, located.device_id, transformer, feeder),
            self._group(located, row.time),
            time=row.time.astimezone(zone),
            received=row.received.astimezone(zone),
            phases=row.phases,
            value=row.value,
            unit=row.unit,
            duration=self._duration(row, kind),
            replay=Event.Replay.RESENT if resent else row.replay,
            text=text_of(row, kind),
        )

    def _group(self, located: Located, time: datetime) -> str:
        if self.groups:
            return next((g for g in located.groups_at(time) if g in self.groups), "")
        return located.cycle_at(time)

    def _duration(self, row: Row, kind: Type) -> int | None:
        seconds = row.duration
        if kind.mnemonic in OUTAGE_CLEARS:
            since = self.begun.get(row.pk)
            seconds = None if since is None else int((row.time - since).total_seconds())
        return None if seconds is None else min(seconds, mrc.DURATION_MAX)

    def _outages(self, rows: Sequence[Row]) -> dict[int, datetime]:
        """When the outages began that these events end, by event."""
        clears = [row for row in rows if self.mnemonic(row) in OUTAGE_CLEARS]
        if not clears:
            return {}
        pairs = dict(zip(OUTAGE_CLEARS, OUTAGE_SETS, strict=True))
        wanted = {pk: t.mnemonic for pk, t in self.types.items() if t.mnemonic in _OUTAGES}
        times = [row.time for row in clears]
        events = Event.objects.filter(
            device__in=sql.id_set({row.device for row in clears}),
            type__in=wanted,
            time__gte=min(times) - HISTORY,
            time__lte=max(times),
        )
        history: dict[tuple[int, str], list[tuple[datetime, str]]] = {}
        for device, kind, time in events.values_list("device_id", "type_id", "time"):
            name = wanted[kind]
            key = (device, pairs.get(name, name))
            history.setdefault(key, []).append((time, "C" if name in pairs else "S"))
        begun = {}
        for row in clears:
            past = history.get((row.device, pairs[self.mnemonic(row)]), [])
            if (since := open_since(past, row.time)) is not None:
                begun[row.pk] = since
        return begun


_OUTAGES = {*OUTAGE_SETS, *OUTAGE_CLEARS}


def text_of(row: Row, kind: Type) -> str:
    """The words of a record: as reported, else the catalogue's, in ASCII, cut at 40."""
    text = row.text or re.split(r" \(|;", kind.meaning)[0] or kind.mnemonic
    if not row.text and kind.unmapped:
        text = kind.mnemonic
    if not row.time_valid:
        text = f"TIME? {text}"
    return ascii_of(text)[:TEXT_WIDTH].rstrip()


def ascii_of(text: str) -> str:
    """Text without its diacritics; what is still no ASCII becomes `?`."""
    if text.isascii():
        return text
    bare = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return "".join(c if " " <= c <= "~" else "?" for c in bare)
