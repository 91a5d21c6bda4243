"""The batches that the virtual utility sends: a day's readings, and its alarms as they come."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import date
from functools import cache

import msgspec
import numpy as np

from devices.batchform import Event, Form, Intervals, Meter as MeterForm, Registers
from devices.blocks import day_date, day_number, local_midnight, standard_offset
from devices.demo import registers, troubles
from devices.demo.fleet import DELIVERED, REACTIVE, RECEIVED, VOLTS, Meter
from devices.demo.load import SLOT, Fleet, Load, Shape, hours_of
from devices.readings import Ints, Masks, Status, instant, status_names

HOUR = 3600


def begins_on_hours(zone: str, start: date, days: int) -> bool:
    """Whether all days of a period begin on the grid of the hourly meters (Lord Howe's do not)."""
    first = day_number(start)
    return not any(
        (local_midnight(zone, day_date(day)) + standard_offset(zone, day_date(day).year)) % HOUR
        for day in range(first, first + days + 1)
    )


def bodies(
    meters: Sequence[Meter], *, seed: int, zone: str, start: date, days: int
) -> Iterator[bytes]:
    """The bodies of all batches of a period of local days, in the order they are sent.

    The day before the period brings its closing register reads alone, so that every register
    has an opening read. Demand counts from the first of that day's month.
    """
    first = day_number(start)
    opening = first - 1
    month = day_number(day_date(opening).replace(day=1))
    loads, peaks = Fleet(meters, seed), registers.Peaks(meters)
    for day in range(month, first + days):
        shape = Shape.of(day, zone)
        today = _Day(meters, seed, zone, shape, loads)
        peaks.see(shape, today.load.delivered)
        if day >= first:
            yield from today.alarms()
        if day >= opening:
            yield today.readings(peaks, with_intervals=day >= first)
        if registers.is_month_end(day_date(day)):
            peaks.reset()


class _Day:
    """A local day of the fleet, and what it sends."""

    def __init__(
        self, meters: Sequence[Meter], seed: int, zone: str, shape: Shape, loads: Fleet
    ) -> None:
        self.meters, self.seed, self.shape = meters, seed, shape
        self.date = day_date(shape.day)
        dark = troubles.outages(meters, seed, shape)
        powered = troubles.supply(meters, shape, dark)
        self.load: Load = loads.load(shape, powered)
        self.status = troubles.masks(seed, shape, powered)
        self.silent = troubles.silent(seed, shape, len(meters)).tolist()
        self.reports = troubles.reports(meters, seed, shape, dark)
        self.reader = registers.Reader(meters, zone, shape, self.load)

    def alarms(self) -> Iterator[bytes]:
        """What meters report at once, if there is any."""
        found = self._events(live=True)
        if found:
            yield self._body("pushed", [self._meter(at, events=e) for at, e in found.items()])

    def readings(self, peaks: registers.Peaks, with_intervals: bool) -> bytes:
        """The day's scheduled retrieval: intervals, registers and the meters' logs."""
        logged = self._events(live=False) if with_intervals else {}
        intervals = self._intervals() if with_intervals else {}
        types = registers.read_types(self.date)
        return self._body(
            "scheduled",
            [
                self._meter(
                    place,
                    intervals=intervals.get(place, []),
                    registers=self.reader.reads(place, peaks, types),
                    events=logged.get(place, []),
                )
                for place in range(len(self.meters))
                if not self.silent[place]
            ],
        )

    def _meter(
        self,
        place: int,
        *,
        intervals: Sequence[Intervals] = (),
        registers: Sequence[Registers] = (),
        events: Sequence[Event] = (),
    ) -> MeterForm:
        return MeterForm(
            device=self.meters[place].device_id,
            intervals=list(intervals),
            registers=list(registers),
            events=list(events),
        )

    def _body(self, source: str, meters: list[MeterForm]) -> bytes:
        """An encoded batch. Its key tells what is in it, so that it can be sent again."""
        form = Form(source=source, meters=meters)
        digest = hashlib.sha256(msgspec.json.encode(form)).hexdigest()[:16]
        form.batch = f"demo-{self.seed}-{self.date}-{source}-{digest}"
        return msgspec.json.encode(form)

    def _events(self, live: bool) -> dict[int, list[Event]]:
        found: dict[int, list[Event]] = {}
        reports = [report for report in self.reports if report.live == live]
        if not live and registers.is_month_end(self.date):
            reports += [
                troubles.Report(place, code, self.shape.end)
                for place in range(len(self.meters))
                for code in ("SELF_READ", "DEMAND_RESET")
            ]
        for place, code, time, _ in reports:
            sent = found.setdefault(place, [])
            event_id = f"{self.meters[place].device_id}-{time}-{code}"
            sent.append(Event(code=code, time=instant(time), id=event_id))
        return found

    def _intervals(self) -> dict[int, list[Intervals]]:
        """Each meter's runs, one a channel."""
        load = self.load
        quarters = {
            DELIVERED: load.delivered,
            RECEIVED: load.received,
            REACTIVE: load.reactive,
            VOLTS: load.volts,
        }
        hourly = np.array([meter.hourly for meter in self.meters])
        by_hour, hour_status = hours_of(load.delivered), troubles.hour_masks(self.status)
        found: dict[int, list[Intervals]] = {}
        for place, meter in enumerate(self.meters):
            if hourly[place]:
                runs = [self._run(DELIVERED, HOUR, by_hour[place], hour_status[place])]
            else:
                runs = [
                    self._run(channel, SLOT, quarters[channel][place], self.status[place])
                    for channel in meter.kind.channels
                ]
            found[place] = runs
        return found

    def _run(self, channel: int, seconds: int, counts: Ints, status: Masks) -> Intervals:
        run = Intervals(
            start=instant(self.shape.start),
            channel=channel,
            seconds=seconds,
            counts=counts.tolist(),
        )
        if status.any():
            masks = status.tolist()
            run.status = [_words(mask) for mask in masks]
            run.counts = [
                None if mask & Status.MISSING else count
                for mask, count in zip(masks, counts.tolist(), strict=True)
            ]
        return run


@cache
def _words(mask: int) -> str:
    return "+".join(status_names(mask))
