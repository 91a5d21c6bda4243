"""Which runs have sent what of some devices: from their periods, frozen scopes and horizons."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from django.db.models import Q

from devices.blocks import day_number
from devices.journal import sql
from devices.readings import DeviceInfo, Ints, instant
from exports.coverage.facts import Facts, Flags
from exports.gate import HOLD_METER
from exports.models import ExportDefinition, ExportRun, RunPart
from exports.scope import Rest, Window, rests_of
from exports.scope.frozen import Part, unpack
from exports.scope.newer import NOT_ASKED, sent_at

RUNS_READ = 400  # of which the scopes are opened; older ones are known by their horizon alone
ENDED = (ExportRun.State.DONE, ExportRun.State.EMPTY)
ALL_CHANNELS = -1


@dataclass(slots=True)
class SentRun:
    """A committed run, and what of the devices asked for it took up.

    Of a run of what is new: channel-days with the numbers they were asked since; of a run of a
    period: channels with the times from and to. `out`: what it left out, device and channel number
    (ALL_CHANNELS), by primary key of the channel's device.
    """

    pk: int
    batch_id: str
    horizon: int
    since: int | None
    corrections: bool
    windows: list[Window]
    start: datetime
    end: datetime
    days: list[Ints] = field(default_factory=list)  # channel, day, since, sent, (4, k)
    reads: dict[int, int] = field(default_factory=dict)  # device → since
    spans: list[Ints] = field(default_factory=list)  # channel (0: the device), device, from, to
    out: set[tuple[int, int]] = field(default_factory=set)
    rest: list[Rest] = field(default_factory=list)  # of corrections: what was new, and stayed

    def take(self, part: Part, devices: Ints, left_out: Sequence[Sequence[object]]) -> None:
        """Add a part of its scope, as far as it concerns the devices."""
        mine = np.isin(part.device[part.stay], devices)
        own = part.channel[mine]
        if self.since is None:
            stays = part.stay[mine]
            columns = (own, part.device[stays], part.opened[mine], part.closed[mine])
            self.spans.append(np.array(columns, np.int64))
            at = np.flatnonzero(np.isin(part.device, devices))
            whole = (0 * at, part.device[at], part.start[at], part.end[at])
            self.spans.append(np.array(whole, np.int64))
        else:
            asked = np.isin(part.day_channel, own)
            sent = np.maximum(part.day_since, part.day_sent)
            columns = (part.day_channel, part.day, part.day_since, sent)
            self.days.append(np.array([column[asked] for column in columns], np.int64))
            wanted = set(devices.tolist())
            for read in part.reads:
                if read.device in wanted:
                    known = self.reads.get(read.device, read.since)
                    self.reads[read.device] = min(known, read.since)
        names = dict(zip(part.infos[0], part.device.tolist(), strict=True))
        for device_id, number, _ in left_out:
            device = names.get(str(device_id))
            if device is not None:
                self.out.add((device, ALL_CHANNELS if number is None else int(str(number))))


def runs_read(
    definition: ExportDefinition, hull: tuple[int, int], oldest: int, part: Part, key: str
) -> list[SentRun]:
    """The runs that may have sent what these devices hold, oldest first; two queries.

    `oldest`: the lowest number of any of it. `key`: the column of DeviceInfo that the file is
    sorted by.
    """
    if not len(part.device):
        return []
    rows = definition.runs.filter(state__in=ENDED, original=None, horizon__isnull=False)
    in_time = Q(since=None, start__lt=instant(hull[1]), end__gt=instant(hull[0]))
    rows = rows.filter(in_time | Q(since__isnull=False, horizon__gte=oldest))
    columns = ("pk", "batch_id", "horizon", "since", "corrections", "windows", "start", "end")
    newest = list(rows.order_by("-id").values_list(*columns)[:RUNS_READ])
    found = {
        row[0]: SentRun(*row[:5], [Window(*window) for window in row[5]], *row[6:])
        for row in reversed(newest)
    }
    if definition.is_flow:
        return list(found.values())  # its parts are rows of the file; the horizon tells all
    keys = sorted(str(text).encode() for text in _column(part, key))
    wanted = set(part.device.tolist())
    first, last = keys[0].decode(), keys[-1].decode()
    for pk, data, segments, findings, action in _parts(list(found), first, last):
        run = found[pk]
        left_out = [one for segment in segments for one in segment["tally"]["left_out"]]
        if action == HOLD_METER:
            left_out += [[row[0], None, ""] for row in findings.get("short", ())]
        run.take(unpack(bytes(data)), part.device, left_out)
        rests = rests_of(findings, run.since or 0) if run.corrections else ()
        run.rest += [rest for rest in rests if rest.device in wanted]
    return list(found.values())


def _column(part: Part, key: str) -> Sequence[str]:
    return part.infos[DeviceInfo._fields.index(key)]


def _parts(runs: Sequence[int], first: str, last: str) -> list[tuple[Any, ...]]:
    """The parts of some runs whose range of keys meets another; keys are compared as bytes."""
    table = RunPart._meta.db_table
    meets = RunPart.objects.filter(run__in=sql.id_set(runs)).extra(  # noqa: S610 names of ours
        where=[
            f"{sql.bytewise(table + '.first')} <= %s",
            f"{sql.bytewise(table + '.last')} >= %s",
        ],
        params=[last, first],
    )
    columns = ("run_id", "data", "segments", "findings", "run__selection__gate__action")
    return list(meets.order_by("run", "position").values_list(*columns))


def covers(run: SentRun, facts: Facts) -> Flags:
    """Which readings a run of a period has in its scope, (m, n)."""
    found = np.zeros(facts.numbers.shape, bool)
    if not run.spans:
        return found
    spans = np.concatenate(run.spans, axis=1)
    reads = facts.of_reads
    spans = spans[:, spans[0] == 0] if reads else spans[:, spans[0] > 0]
    keys, own = (spans[1], facts.device) if reads else (spans[0], facts.channel)
    order = np.argsort(keys, kind="stable")
    keys, opened, closed = keys[order], spans[2][order], spans[3][order]
    low, high = int(run.start.timestamp()), int(run.end.timestamp())
    columns = slice(None)
    if len(facts.ends) == 1:
        columns = slice(*np.searchsorted(facts.ends[0], (low, high), side="right").tolist())
    ends = facts.ends[:, columns]
    first, last = np.searchsorted(keys, own, "left"), np.searchsorted(keys, own, "right")
    for nth in range(int((last - first).max(initial=0))):
        has = first + nth < last
        at = np.where(has, first + nth, 0)
        start = np.maximum(opened[at], low)[:, None]
        end = np.minimum(closed[at], high)[:, None]
        inside = (ends >= start) & (ends < end) if reads else (ends > start) & (ends <= end)
        found[:, columns] |= inside & has[:, None]
    return found


def in_windows(run: SentRun, facts: Facts) -> Flags:
    """Which readings lie in the windows of a run of corrections, of the shape of `ends`."""
    return sent_at(run.windows, facts.ends) != NOT_ASKED


def newer(run: SentRun, facts: Facts, began: int) -> Flags:
    """Which readings, as they stand, a run of what is new has sent, (m, n)."""
    found = np.zeros(facts.numbers.shape, bool)
    if facts.of_reads:
        since = np.array([run.reads.get(d, NOT_ASKED) for d in facts.device.tolist()], np.int64)
        found = facts.numbers > since[:, None]
    for channel, day, since, sent in run.days if not facts.of_reads else ():
        asked = sent if run.corrections else since
        for one in np.unique(day).tolist():
            columns = slice(
                *(np.searchsorted(facts.day[0], one, side) for side in ("left", "right"))
            )
            mine = day == one
            order = np.argsort(channel[mine])
            keys, numbers = channel[mine][order], asked[mine][order]
            at = np.searchsorted(keys, facts.channel).clip(max=len(keys) - 1)
            limit = np.where(keys[at] == facts.channel, numbers[at], NOT_ASKED)
            found[:, columns] |= facts.numbers[:, columns] > limit[:, None]
    found &= facts.numbers <= run.horizon
    for rest in run.rest:
        inside = within_rest(rest, facts)
        if inside is not None and (found & inside).any():
            found &= ~inside | (facts.then(rest.since) > began)
    return found


def within_rest(rest: Rest, facts: Facts) -> Flags | None:
    """Which readings something that is owed is about, (m, n); None: none of these."""
    mine = facts.device == rest.device if rest.channel is None else facts.channel == rest.channel
    if facts.of_reads != (rest.channel is None) or not mine.any():
        return None
    inside = np.ones(facts.day.shape, bool)
    if rest.first is not None:
        inside = inside & (facts.day >= day_number(rest.first))
    if rest.last is not None:
        inside = inside & (facts.day <= day_number(rest.last))
    return mine[:, None] & inside


def left_out(run: SentRun, facts: Facts) -> Flags:
    """Which rows a run has left out, (m, 1)."""
    if not run.out:
        return np.zeros((len(facts.device), 1), bool)
    pairs = zip(facts.device.tolist(), facts.number.tolist(), strict=True)
    out = [(d, ALL_CHANNELS) in run.out or (d, n) in run.out for d, n in pairs]
    return np.array(out, bool)[:, None]
