"""The declared writer: a channel's cells one by one, by the tables. The reference of the compiled
one, and the way of everything that has something to say: refusals, warnings, odd shapes."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from devices.readings import ABSENT, Frame, Status, instant
from exports.formats.context import Tally
from exports.formats.issues import FormatError, refusal
from exports.formats.records216.book import Book
from exports.formats.records216.cells import come_back, counts_to_pulses, nearest32
from exports.formats.records216.layouts import (
    A_RECORD,
    CELL,
    DEVICE,
    FIRST_INTERVALS,
    INTERVALS,
    PULSE_CELL,
)
from exports.formats.records216.plan import Lane, Meter
from exports.formats.records216.units import Target
from exports.formats.records216.words import words_of
from exports.formats.text import product

SPOILT = Status.ESTIMATED | Status.EDITED
MISSING = int(Status.MISSING)


class Slot(NamedTuple):
    """What arrived for one interval."""

    end: int
    amount: int
    mask: int
    target: Target


def lane_records(
    frame: Frame, book: Book, meter: Meter, lane: Lane, tally: Tally
) -> tuple[bytes, list[bool]]:
    """A channel's interval records, and which of its slots are missing. FormatError."""
    slots = _slots(frame, book, meter, lane)
    span, cells, missing = meter.span, [], []
    for place in range(span.cells):
        end = span.start + (place + 1) * span.seconds
        slot = slots.get(place, Slot(end, 0, ABSENT | MISSING, lane.target))
        try:
            cells.append(_cell(slot, book, lane, tally))
        except FormatError as error:
            raise error.at(where=str(lane.number), instant=instant(end)) from None
        missing.append(bool(slot.mask & MISSING))
    device, records = DEVICE.get(meter.ids[0]), []
    for index in range(span.records):
        body = b"".join(cells[index * A_RECORD : (index + 1) * A_RECORD])
        body += INTERVALS.field("cells").put(None)[len(body) :]
        values = {"code": FIRST_INTERVALS + index, "device": device, "cells": body}
        records.append(INTERVALS.put(values))
    return b"".join(records), missing


def gaps_of(missing: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Runs of missing slots: place of the first, number of slots."""
    padded = np.zeros(len(missing) + 2, np.int8)
    padded[1:-1] = missing
    edges = np.flatnonzero(padded[1:] != padded[:-1]).tolist()
    return [(low, high - low) for low, high in zip(edges[::2], edges[1::2], strict=True)]


def _slots(frame: Frame, book: Book, meter: Meter, lane: Lane) -> dict[int, Slot]:
    """What arrived of the span, by place in it; FMT03, FMT04."""
    found: dict[int, Slot] = {}
    span = meter.span
    for sheet, row in ((frame.sheets[place.sheet], place.row) for place in lane.places):
        channel, size = sheet.channels[row], len(sheet.ends)
        grid = span.offset if channel.grid_offset is None else channel.grid_offset
        masks = np.zeros(size, np.uint16) if sheet.status is None else sheet.status[row]
        columns = sheet.ends.tolist(), sheet.counts[row].tolist(), masks.tolist()
        for end, count, mask in zip(*columns, strict=True):
            if mask & ABSENT or not span.start < end <= span.stop:
                continue
            words = {"time": f"{instant(end):%Y-%m-%dT%H:%M:%SZ}", "seconds": span.seconds}
            if (end + grid) % span.seconds or (end - span.start) % span.seconds:
                raise refusal("FMT03", **words).at(where=str(lane.number), instant=instant(end))
            place = (end - span.start) // span.seconds - 1
            if place in found:
                raise refusal("FMT04", **words).at(where=str(lane.number), instant=instant(end))
            found[place] = Slot(end, count, mask, book.target(channel))
    return found


def _cell(slot: Slot, book: Book, lane: Lane, tally: Tally) -> bytes:
    """The slot's bytes."""
    if slot.mask & MISSING and slot.mask & SPOILT and not slot.mask & ABSENT:
        raise refusal("FMT12", why="missing excludes estimated and edited")
    channel, interval = words_of(slot.mask, book.ctx.mode)
    words = {"channel": channel, "interval": interval}
    if slot.mask & MISSING:
        return CELL.put(words | {"value": 0.0})
    value = product(Decimal(slot.amount), slot.target.scale)
    if value < 0:
        raise refusal("FMT09", value=value)
    pulse = lane.target.pulse  # the one that the header states, whatever an earlier era's is
    if pulse is not None:
        pulses, wrong = counts_to_pulses(np.array([slot.amount]), slot.target.scale, pulse)
        if wrong[0]:
            raise book.refusal("pulses", value=value, pulse=pulse)
        return PULSE_CELL.put(words | {"value": int(pulses[0])})
    single = nearest32(value)
    if not np.isfinite(single):
        raise book.refusal("value", field="value", value=value, width="float32")
    if come_back(np.array([slot.amount]), np.array([single]), slot.target.scale) is not None:
        tally.warn(book.warning("inexact"), f"channel {lane.number}: {value} as {single}")
    return CELL.put(words | {"value": float(single)})
