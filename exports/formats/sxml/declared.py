"""The declared writer of intervals: slot by slot, straight from the tables. The reference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from devices.readings import (
    ABSENT,
    INTERVAL_SECONDS,
    PUBLIC,
    Arrival,
    Channel,
    IntervalSeries,
    Status,
    instant,
    status_conflict,
    status_letter,
)
from exports.formats.issues import FormatError
from exports.formats.quality import quality_codes
from exports.formats.sxml.run import Run, Stretch, end_check, next_end, run_start, steps_follow
from exports.formats.sxml.tables import CHANNEL, DECIMALS, I, sxm
from exports.formats.values import value_of
from exports.formats.zones import zone_of

MISSING = int(Status.MISSING)
INDENT = b" " * 10


class Slot(NamedTuple):
    """An interval that is written."""

    end: int
    units: int
    mask: int
    batch: int


def channel_check(channel: Channel) -> None:
    """SXM09, FMT17, FMT07 of a channel that the format does not carry."""
    if channel.number is None:
        raise sxm("SXM09", unit=channel.unit, flow=channel.flow)
    if channel.seconds not in INTERVAL_SECONDS:
        raise sxm("FMT17", seconds=channel.seconds)
    for attribute in CHANNEL.attributes:
        if attribute.name == "no":
            attribute.put(channel.number)
        elif attribute.name == "multiplier" and channel.multiplier is not None:
            attribute.put(channel.multiplier)


def stretches(
    series: IntervalSeries, zone: str, run: Run, arrivals: Mapping[int, Arrival]
) -> list[Stretch]:
    """The runs of one series; FormatError for what is refused."""
    channel = series.channel
    channel_check(channel)
    numbers = [0] * len(series.ends) if series.numbers is None else series.numbers.tolist()
    slots = [
        Slot(*slot)
        for slot in zip(
            series.ends.tolist(), series.counts.tolist(), series.status.tolist(), numbers,
            strict=True,
        )
        if not slot[2] & ABSENT
    ]  # fmt: skip
    return [
        _stretch(part, channel, zone, run, arrivals) for part in _runs(slots, channel, zone, run)
    ]


def _runs(slots: Sequence[Slot], channel: Channel, zone: str, run: Run) -> list[list[Slot]]:
    """Slots without gaps: with modes OR and RE one run, its gaps filled; else each run apart."""
    if not slots:
        return []
    for one, other in pairwise(slots):
        if other.end <= one.end:
            time = instant(other.end)
            raise sxm("FMT04", time=f"{time:%Y-%m-%dT%H:%M:%SZ}").at(instant=time)
    for slot in slots:
        end_check(channel, slot.end, zone)
    runs = [[slots[0]]]
    follows = steps_follow(np.array([slot.end for slot in slots]), channel, zone)
    for slot, follow in zip(slots[1:], follows, strict=True):
        if follow:
            runs[-1].append(slot)
        elif run.ctx.gaps_are_missing:
            end = next_end(runs[-1][-1].end, channel, zone)
            while end < slot.end:
                runs[-1].append(Slot(end, 0, MISSING, 0))
                end = next_end(end, channel, zone)
            if end != slot.end:
                text = f"{instant(slot.end):%Y-%m-%dT%H:%M:%SZ}"
                raise sxm("FMT03", time=text, seconds=channel.seconds).at(instant=instant(slot.end))
            runs[-1].append(slot)
        else:
            runs.append([slot])
    return runs


def _stretch(
    slots: Sequence[Slot], channel: Channel, zone: str, run: Run, arrivals: Mapping[int, Arrival]
) -> Stretch:
    start = run_start(channel, slots[0].end, zone)
    lines = []
    total = Decimal(0)
    below = 0
    for slot in slots:
        try:
            line, value = _line(slot, channel, zone, run)
        except FormatError as error:
            raise error.at(instant=instant(slot.end)) from error
        lines.append(line)
        total += value
        below += value < 0
    letters = [status_letter(slot.mask & PUBLIC) for slot in slots]
    batch = latest((slot.batch for slot in slots), arrivals)
    return Stretch(
        channel,
        start,
        slots[-1].end,
        len(slots),
        sum(letter in "EV" for letter in letters),
        letters.count("M"),
        below,
        int(total.scaleb(DECIMALS)),
        b"".join(lines),
        batch,
        arrivals.get(batch),
    )


def _line(slot: Slot, channel: Channel, zone: str, run: Run) -> tuple[bytes, Decimal]:
    null = bool(slot.mask & MISSING)
    if why := status_conflict(slot.mask, null):
        raise sxm("FMT12", why=why)
    mask = slot.mask & PUBLIC
    value = None if null else value_of(slot.units, run.scale(channel))
    codes = " ".join(quality_codes(mask)) if run.codes else ""
    letter = status_letter(mask)
    time = datetime.fromtimestamp(slot.end, zone_of(zone))
    tag = I.tag({"t": time, "v": value, "q": None if letter == "A" else letter, "c": codes or None})
    put = I.attributes[1]
    written = Decimal(0) if value is None else Decimal(put.put(value).decode())
    return b"%s<%s/>\r\n" % (INDENT, tag), written


def latest(batches: Iterable[int], arrivals: Mapping[int, Arrival]) -> int:
    """Of batch numbers in the order of their intervals, that of the latest received; the last one
    of equal instants; 0 where none is known."""
    found = 0
    for batch in batches:
        if batch in arrivals:
            later = not found or arrivals[batch].received >= arrivals[found].received
            found = batch if later else found
    return found
