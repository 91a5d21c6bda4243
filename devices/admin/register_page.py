"""Registers of a device: what was used between its reads, and the reads as a bill has them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.http import urlencode

from devices import registers, registertable, usageplots
from devices.admin.days import day_typed
from devices.admin.reads import SOURCE_WORDS, quality_badge
from devices.blocks import local_midnight
from devices.consumption import Step
from devices.journal import version_read
from devices.models import Device, RegisterSnapshot
from devices.readings import READ_TYPES, RegisterRead, instant
from devices.registers import Register

PRESETS = {"month": ("31 days", 31), "quarter": ("92 days", 92), "year": ("Year", 366)}
LONGEST = 800  # days of a chosen period
READS_SHOWN = 12
STEPS_SHOWN = 62


@dataclass(frozen=True, slots=True)
class Asked:
    """The local days `first` to `last`, both included, of reads of a type (empty: all)."""

    choice: str
    first: date
    last: date
    start: datetime
    end: datetime
    read_type: str
    fault: str

    @classmethod
    def of(cls, request: HttpRequest, device: Device) -> Asked:
        zone = ZoneInfo(device.time_zone)
        newest = RegisterSnapshot.objects.filter(device=device).order_by("-time").first()
        now = datetime.now(zone)
        last = (newest.time.astimezone(zone) if newest else now).date()
        choice = request.GET.get("period", "month")
        first, fault = last - timedelta(days=PRESETS.get(choice, PRESETS["month"])[1]), ""
        if choice == "custom":
            first, last, fault = _typed(request, first, last)
        elif choice not in PRESETS:
            choice = "month"
        read_type = request.GET.get("type", "")
        start, end = (
            instant(local_midnight(device.time_zone, day))
            for day in (first, last + timedelta(days=1))
        )
        kind = read_type if read_type in READ_TYPES else ""
        return cls(choice, first, last, start, end, kind, fault)

    @property
    def params(self) -> dict[str, str]:
        """The parameters that choose it, for links."""
        days = {"from": f"{self.first}", "to": f"{self.last}"} if self.choice == "custom" else {}
        return {
            "period": self.choice,
            **days,
            **({"type": self.read_type} if self.read_type else {}),
        }

    def rows(self, device: Device) -> QuerySet[RegisterSnapshot]:
        """The reads that it means, the newest first."""
        rows = RegisterSnapshot.objects.filter(
            device=device, time__gte=self.start, time__lte=self.end
        )
        if self.read_type:
            rows = rows.filter(read_type=self.read_type)
        return registers.reads_standing(rows).select_related("device").order_by("-time", "-id")


def _typed(request: HttpRequest, first: date, last: date) -> tuple[date, date, str]:
    """The days that were typed, or the given ones and what is wrong with the typed."""
    from_day, to_day = (day_typed(request.GET.get(name, "")) for name in ("from", "to"))
    if from_day is None or to_day is None:
        return first, last, "Choose both days from the calendar, or write them as 2026-03-29."
    if to_day < from_day:
        return first, last, "The last day is before the first. Swap them."
    if (to_day - from_day).days >= LONGEST:
        return first, last, f"Choose at most {LONGEST} days."
    return from_day, to_day, ""


def context(request: HttpRequest, device: Device) -> dict[str, Any]:
    """Everything `devices/registers.html` needs."""
    asked = Asked.of(request, device)
    rows = list(asked.rows(device)[: READS_SHOWN + 1])
    reads = [version_read(row) for row in rows]
    found = registers.registers_of(reads[::-1])
    chosen = _chosen(request, found)
    return {
        "device": device,
        "title": f"Registers of {device}",
        "zone": ZoneInfo(device.time_zone),
        "asked": asked,
        "presets": {name: label for name, (label, _) in PRESETS.items()},
        "types": [("", "all types"), *READ_TYPES.items()],
        "query": urlencode(asked.params),
        "registers": [_choice(register, chosen, asked) for register in found],
        "use": _use(device, chosen, asked) if chosen else None,
        "reads": [
            _read(row, read) for row, read in list(zip(rows, reads, strict=True))[:READS_SHOWN]
        ],
        "more": len(rows) > READS_SHOWN,
    }


def _chosen(request: HttpRequest, found: list[Register]) -> Register | None:
    asked = request.GET.get("register", "")
    words = {"-".join(register): register for register in found}
    return words.get(asked) or (found[0] if found else None)


def _choice(register: Register, chosen: Register | None, asked: Asked) -> dict[str, Any]:
    unit, flow, rate = register
    said = unit if flow == "DEL" else f"{unit} {registertable.flow_words(flow)}"
    return {
        "name": said if rate == "T" else f"{said}, rate {rate}",
        "here": register == chosen,
        "query": urlencode({**asked.params, "register": "-".join(register)}),
    }


def _use(device: Device, register: Register, asked: Asked) -> dict[str, Any]:
    """The plot and the table of what was used."""
    compared = registers.usage_for_device(device, register, asked.start, asked.end, asked.read_type)
    steps = compared.usage.steps
    drawn = [step for step in steps if step.start.time < step.end.time]
    name = registertable.kind_name(("SUM", register[0], register[1], 1))
    return {
        "unit": register[0],
        "total": compared.usage.amount,
        "marks": [usageplots.MARKS[mark] for mark in compared.usage.marks],
        "fault": compared.fault,
        "svg": usageplots.usage_blocks(
            drawn, name.capitalize(), register[0], device.time_zone, key="use"
        )
        if drawn
        else "",
        "steps": [_step(step, device) for step in steps[: -STEPS_SHOWN - 1 : -1]],
        "more": max(len(steps) - STEPS_SHOWN, 0),
    }


def _step(step: Step, device: Device) -> dict[str, Any]:
    days = Decimal((step.end.time - step.start.time).total_seconds()) / 86400
    other = next(
        (r.device_id for r in (step.start, step.end) if r.device_id != device.device_id), ""
    )
    return {
        "start": step.start,
        "end": step.end,
        "before": registertable.number_text(step.start.value.value),
        "after": registertable.number_text(step.end.value.value),
        "amount": step.amount,
        "a_day": None if step.amount is None or not days else round(step.amount / days, 3),
        "marks": [(mark, usageplots.MARKS[mark]) for mark in step.marks],
        "other": other,
    }


def _read(row: RegisterSnapshot, read: RegisterRead) -> dict[str, Any]:
    """A read with its table by rate."""
    return {
        "row": row,
        "read": read,
        "type": READ_TYPES.get(read.read_type, read.read_type),
        "quality": quality_badge(row.quality),
        "source": SOURCE_WORDS.get(read.source, read.source),
        "table": registertable.table(read.values),
    }
