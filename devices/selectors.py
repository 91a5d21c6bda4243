"""Queries of the pages. Flat: none of them reads more when the fleet is larger.

Functions are named `<noun>_for_<purpose>` and return querysets, lists or small values.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.core.cache import cache
from django.db import connections
from django.db.models import Max, Min, Prefetch, Q, QuerySet, Sum
from django.utils import timezone

from devices.models import (
    Batch,
    Channel,
    Device,
    FunctionalGroup,
    Installation,
    IntervalBlock,
    Membership,
    Quarantined,
)

SEARCH_LIMIT = 500
COUNT_LIMIT = 10_000
NAMESAKES = 20  # devices that bear one number: a device id has one, a reused meter number a few
DEVICE_IDENTIFIERS = ("device_id", "meter_number", "serial_number")
INSTALLATION_IDENTIFIERS = (
    *("service_point_id", "account_id", "premise_id", "transformer_id", "feeder_id"),
)


# --- searching ---------------------------------------------------------------------------------


def prefix_filter(field: str, text: str, using: str = "default") -> Q:
    """`field` begins with `text`, said so that the field's index serves it.

    PostgreSQL has an index for LIKE beside each identifier's; SQLite's LIKE ignores case and so
    uses none, hence a range there, up to the greatest character.
    """
    if connections[using].vendor == "postgresql":
        return Q(**{f"{field}__startswith": text})
    return Q(**{f"{field}__gte": text, f"{field}__lt": f"{text}\U0010ffff"})


@dataclass(frozen=True, slots=True)
class Found:
    """Devices that a search found: id → why, and whether there were more than the limit."""

    reasons: dict[int, str]
    more: bool


def devices_for_search(text: str, limit: int = SEARCH_LIMIT) -> Found:
    """Devices of which any identifier, past or present, begins with `text`.

    Identifiers are told apart by case, people often do not: capitals are tried too. At most one
    query an identifier, each bounded by `limit`.
    """
    text = text.strip()
    reasons: dict[int, str] = {}
    if not text or "\0" in text:
        return Found(reasons, False)
    spellings = {text, text.upper()}
    sources = [
        *((Device, name, "pk") for name in DEVICE_IDENTIFIERS),
        *((Installation, name, "device_id") for name in INSTALLATION_IDENTIFIERS),
    ]
    for model, name, key in sources:
        begins = Q()
        for spelling in sorted(spellings):
            begins |= prefix_filter(name, spelling)
        label = str(model._meta.get_field(name).verbose_name)
        # No order: the pattern index of PostgreSQL could not give one.
        rows = model._default_manager.filter(begins).order_by().values_list(key, name)
        for device, value in rows[: limit + 1]:
            reasons.setdefault(device, f"{label} {value}")
            if len(reasons) > limit:
                reasons.popitem()
                return Found(reasons, True)
    return Found(reasons, False)


def devices_for_identifier(text: str) -> list[Device]:
    """Devices with just this device id or meter number, for searches of what they sent."""
    named = Device.objects.filter(Q(device_id=text) | Q(meter_number=text)).order_by()
    return list(named[:NAMESAKES])


def device_for_address(text: str) -> Device | None:
    """The one device with exactly this device id or, in use, this meter number."""
    if "\0" in text:
        return None
    exact = Device.objects.filter(device_id=text).first()
    if exact is None:
        in_use = ~Q(state=Device.State.UNPROVISIONED)
        exact = Device.objects.filter(in_use, meter_number=text).first()
    return exact


# --- devices -----------------------------------------------------------------------------------


def present(now: datetime | None = None) -> Q:
    """What holds now, of anything dated."""
    now = now or timezone.now()
    return Q(valid_from__lte=now) & (Q(valid_to=None) | Q(valid_to__gt=now))


def devices_for_list(queryset: QuerySet[Device]) -> QuerySet[Device]:
    """With class, present installation (`installed`) and groups (`grouped`) of each device."""
    return queryset.select_related("device_class").prefetch_related(
        Prefetch("installations", Installation.objects.filter(present()), to_attr="installed"),
        Prefetch(
            "memberships",
            Membership.objects.filter(present()).select_related("group").order_by("group__code"),
            to_attr="grouped",
        ),
    )


def bill_cycles_for_filter(limit: int = 200) -> QuerySet[FunctionalGroup]:
    """The bill cycles by code."""
    cycles = FunctionalGroup.objects.filter(kind=FunctionalGroup.Kind.BILL_CYCLE)
    return cycles.order_by("code")[:limit]


def members_for_filter(code: str, after: str = "", before: str = "") -> Q:
    """Devices that are in a group now, as a condition on devices; at most one row a device.

    `after` and `before` bound the device's key in the membership's own index, so that a page of a
    large group costs no more than a page of a small one.
    """
    group = FunctionalGroup.objects.filter(code=code).values_list("pk", flat=True).first()
    now = timezone.now()
    bounds = {"gt": after, "lt": before}
    return Q(
        Q(memberships__valid_to=None) | Q(memberships__valid_to__gt=now),
        memberships__group=group or 0,
        memberships__valid_from__lte=now,
        **{f"memberships__device_id__{k}": v for k, v in bounds.items() if v.isdecimal()},
    )


def channels_for_device(device: Device) -> list[Channel]:
    """All eras of all channels, by number, oldest era first."""
    return list(device.channels.all())


def days_for_channels(channels: Iterable[Channel]) -> tuple[date, date] | None:
    """The first and the last day of which any of these channels has a block, or None."""
    first, last = None, None
    for channel in channels:
        days = IntervalBlock.objects.filter(channel_id=channel.pk).aggregate(Min("day"), Max("day"))
        if days["day__min"]:
            first = min(first or days["day__min"], days["day__min"])
            last = max(last or days["day__max"], days["day__max"])
    return (first, last) if first and last else None


def batches_for_numbers(numbers: Iterable[int], limit: int = 20) -> list[Batch]:
    """The newest of the batches so numbered."""
    newest = sorted({n for n in numbers if n > 0}, reverse=True)[:limit]
    return list(
        Batch.objects.filter(number__in=newest)
        .select_related("api_key")
        .defer("answer", "body")
        .order_by("-number")
    )


def capped_count(queryset: QuerySet, limit: int = COUNT_LIMIT) -> tuple[int, bool]:
    """How many rows, counting no further than `limit`; and whether there are more."""
    count = queryset.order_by()[: limit + 1].count()
    return min(count, limit), count > limit


def members_for_group(group: FunctionalGroup) -> QuerySet[Membership]:
    """The present memberships of a group, with their devices."""
    return Membership.objects.filter(present(), group=group).select_related("device__device_class")


# --- the dashboard -----------------------------------------------------------------------------


def intervals_for_days(days: int = 14, today: date | None = None) -> list[tuple[date, int]]:
    """Intervals received on each of the last days of the system's zone, oldest first.

    A past day's sum never changes, so it is counted once and kept; today's is kept for a minute.
    """
    zone = timezone.get_default_timezone()
    today = today or timezone.now().astimezone(zone).date()
    wanted = [today - timedelta(days=n) for n in range(days - 1, -1, -1)]
    keys = {day: f"tms:intervals:{day}" for day in wanted}
    known = cache.get_many(keys.values())
    result = []
    for day in wanted:
        total = known.get(keys[day])
        if total is None:
            start, end = (datetime.combine(d, time(), zone) for d in (day, day + timedelta(days=1)))
            batches = Batch.objects.filter(received__gte=start, received__lt=end)
            total = batches.aggregate(total=Sum("intervals"))["total"] or 0
            cache.set(keys[day], total, 60 if day == today else 15 * 86400)
        result.append((day, total))
    return result


def batches_for_dashboard(limit: int = 6) -> list[Batch]:
    """The newest batches."""
    batches = Batch.objects.select_related("api_key").defer("answer", "body")
    return list(batches.order_by("-pk")[:limit])


def quarantine_for_dashboard(limit: int = 1000) -> tuple[int, bool]:
    """How many meters are held, counting no further than `limit`."""
    return capped_count(Quarantined.objects.filter(state=Quarantined.State.HELD), limit)
