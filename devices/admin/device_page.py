"""What the page of a device shows: who it is, its curves of a period, and what belongs to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from django.conf import settings
from django.http import HttpRequest
from django.utils.module_loading import import_string

from devices import plots, readings, registertable, selectors
from devices.blocks import local_midnight
from devices.journal import ChannelSeries, registers_read, series_read
from devices.models import Channel, Device

LONGEST = 400  # days of a chosen period
CHANNELS_SHOWN = 12
ROWS_SHOWN = 20
READS_SHOWN = 6
PRESETS = {"day": "Last day", "week": "7 days", "month": "Month"}
DAYS = {"day": 1, "week": 7, "month": 31}


@dataclass(frozen=True, slots=True)
class Period:
    """The chosen local days `first` to `last`, both included; `start` and `end` are instants.

    `channels` are the eras that touch it, of the channel chosen or of all. The presets end with
    the newest day that has readings, so that the page is never empty without need.
    """

    choice: str
    first: date
    last: date
    start: int
    end: int
    channels: list[Channel]
    fault: str = ""

    @classmethod
    def of(cls, request: HttpRequest, device: Device, channels: Sequence[Channel]) -> Period:
        choice = request.GET.get("period", "week")
        newest = _newest_day(device, channels)
        first, last, fault = (
            newest - timedelta(days=DAYS.get(choice, 7) - 1),
            newest,
            "",
        )
        if choice == "custom":
            first, last, fault = _custom(request, first, last)
        elif choice not in PRESETS:
            choice = "week"
        start = local_midnight(device.time_zone, first)
        end = local_midnight(device.time_zone, last + timedelta(days=1))
        number = request.GET.get("channel", "")
        chosen = [c for c in channels if not number or str(c.number) == number]
        touching = [c for c in chosen if _touches(c, start, end)]
        return cls(choice, first, last, start, end, touching, fault)

    @property
    def query(self) -> str:
        """The parameters that choose it, for a link."""
        if self.choice == "custom":
            return f"period=custom&from={self.first}&to={self.last}"
        return f"period={self.choice}"


def _newest_day(device: Device, channels: Sequence[Channel]) -> date:
    days = selectors.days_for_channels(channels)
    today = datetime.now(ZoneInfo(device.time_zone)).date()
    return min(days[1], today) if days else today


def _custom(request: HttpRequest, first: date, last: date) -> tuple[date, date, str]:
    """The days that were typed, or the given ones and what is wrong with the typed."""
    try:
        typed_first = date.fromisoformat(request.GET.get("from", ""))
        typed_last = date.fromisoformat(request.GET.get("to", "") or typed_first.isoformat())
    except ValueError:
        return (
            first,
            last,
            "Choose both days from the calendar, or write them as 2026-03-29.",
        )
    if typed_last < typed_first:
        return first, last, "The last day is before the first. Swap them."
    if typed_first.year < 2000 or typed_last.year > 2100:
        return first, last, "Choose days between the years 2000 and 2100."
    if (typed_last - typed_first).days >= LONGEST:
        return (
            first,
            last,
            f"Choose at most {LONGEST} days; the download has the same limit.",
        )
    return typed_first, typed_last, ""


def _touches(channel: Channel, start: int, end: int) -> bool:
    begins = channel.valid_from.timestamp() if channel.valid_from else 0
    ends = channel.valid_to.timestamp() if channel.valid_to else float("inf")
    return begins < end and ends > start


# --- what is recorded ----------------------------------------------------------------------------


def _recorded(device: Device) -> list[tuple[str, str]]:
    """Name and value of what an import or the form has noted of a device; never its PIN."""
    town = " ".join(filter(None, (device.postal_code, device.city)))
    address = ", ".join(filter(None, (device.address, town, device.region)))
    comm = " ".join(filter(None, (device.comm_type, device.comm_address)))
    position = ""
    if device.latitude is not None and device.longitude is not None:
        position = f"{device.latitude.normalize():f}, {device.longitude.normalize():f}"
    ratios = [
        f"{name} {ratio.normalize():f}"
        for name, ratio in (("CT", device.ct_ratio), ("PT", device.pt_ratio))
        if ratio is not None
    ]
    zone = ZoneInfo(device.time_zone)
    due = device.provision_at and f"{device.provision_at.astimezone(zone):%Y-%m-%d %H:%M}"
    found = {
        "Communication": comm,
        "Address": address,
        "Position": position,
        "Transformer ratios": ", ".join(ratios),
        "Phase": device.phase,
        "Installed on": f"{device.install_date or ''}",
        "Removed on": f"{device.removal_date or ''}",
        "Schedule profile": device.schedule_profile,
        "Provisioning queued for": due or "",
    }
    return [(name, value) for name, value in found.items() if value]


# --- the context -------------------------------------------------------------------------------


def context(request: HttpRequest, device: Device) -> dict[str, Any]:
    """Everything `devices/device.html` needs. `device` as `devices_for_list` makes it."""
    channels = selectors.channels_for_device(device)
    period = Period.of(request, device, channels)
    shown = period.channels[:CHANNELS_SHOWN]
    series = series_read(shown, period.start, period.end) if shown else []
    return {
        "device": device,
        "place": device.installed[0] if device.installed else None,
        "groups": [membership.group for membership in device.grouped],
        "recorded": _recorded(device),
        "period": period,
        "presets": PRESETS,
        "curves": [_curve(one, period, device.time_zone) for one in series],
        "channels": [_channel_row(channel) for channel in channels],
        "more_channels": len(period.channels) - len(shown),
        "reads": _reads(device, period),
        "installations": device.installations.order_by("-valid_from")[:ROWS_SHOWN],
        "memberships": device.memberships.select_related("group").order_by("-valid_from")[
            :ROWS_SHOWN
        ],
        "batches": selectors.batches_for_numbers(_numbers(series)),
        "sections": device_sections(request, device),
        "zone": ZoneInfo(device.time_zone),
    }


def device_sections(request: HttpRequest, device: Device) -> list[dict[str, Any]]:
    """What other apps add to the page: `settings.TMS_DEVICE_SECTIONS`.

    Each is called with (request, device) and gives `{"title", "template", "context"}` or None.
    """
    called = (import_string(name)(request, device) for name in settings.TMS_DEVICE_SECTIONS)
    return [section for section in called if section]


def channel_name(channel: Channel) -> str:
    """A channel as people say it: `1 · kWh delivered`-like, from unit and flow."""
    quantity = readings.UNITS[channel.unit].quantity if channel.unit in readings.UNITS else ""
    flow = f", {readings.FLOWS[channel.flow]}" if channel.flow in readings.FLOWS else ""
    directed = channel.unit in readings.UNITS and readings.UNITS[channel.unit].directed
    return f"Channel {channel.number}: {quantity}{flow if directed else ''}"


def interval_words(seconds: int) -> str:
    """`15 min`, `1 h`, `1 day`."""
    if seconds % 86400 == 0:
        return f"{seconds // 86400} day"
    return f"{seconds // 3600} h" if seconds % 3600 == 0 else f"{seconds // 60} min"


def _curve(series: ChannelSeries, period: Period, zone: str) -> dict[str, Any]:
    """A channel's plot and its counts. Slots still to come are not drawn as gaps."""
    channel = series.channel
    past = series.ends <= int(datetime.now(UTC).timestamp())
    status, ends = series.status[past], series.ends[past]
    values = series.counts[past] * float(channel.resolution)
    per = "" if channel.value_type in "VP" else f" per {interval_words(channel.seconds)}"
    curve = plots.Curve(
        name=channel_name(channel),
        unit=f"{channel.unit}{per}",
        seconds=channel.seconds,
        ends=ends,
        values=values,
        status=status,
        stepped=channel.value_type != "P",
    )
    missing = (status & int(readings.Status.MISSING)) != 0
    energy = channel.value_type == "U"
    return {
        "channel": channel,
        "name": curve.name,
        "svg": plots.load_curve(curve, period.start, period.end, zone, key=f"curve-{channel.pk}"),
        "here": int((~missing).sum()),
        "missing": int(missing.sum()),
        "estimated": int(((status & int(readings.Status.ESTIMATED)) != 0).sum()),
        "edited": int(((status & int(readings.Status.EDITED)) != 0).sum()),
        "total": _total(series, past, missing) if energy else None,
    }


def _total(series: ChannelSeries, past: np.ndarray, missing: np.ndarray) -> str:
    total = int(series.counts[past][~missing].sum())
    return f"{total * series.channel.resolution.normalize():f}"


def _numbers(series: Sequence[ChannelSeries]) -> list[int]:
    """The batch numbers of the values shown."""
    if not series:
        return []
    return [int(n) for n in np.unique(np.concatenate([one.numbers for one in series]))]


def _channel_row(channel: Channel) -> dict[str, Any]:
    return {
        "channel": channel,
        "name": channel_name(channel),
        "interval": interval_words(channel.seconds),
        "resolution": f"{channel.resolution.normalize():f}",
        "value_type": readings.VALUE_TYPES.get(channel.value_type, channel.value_type),
    }


def _reads(device: Device, period: Period) -> list[dict[str, Any]]:
    """The newest register reads of the period, with their values ready to print."""
    start, end = readings.instant(period.start), readings.instant(period.end)
    found = registers_read([device.pk], start, end).get(device.pk, [])
    newest = sorted(found, key=lambda read: read.time, reverse=True)[:READS_SHOWN]
    return [
        {
            "read": read,
            "type": readings.READ_TYPES.get(read.read_type, read.read_type),
            "table": registertable.table(read.values),
        }
        for read in newest
    ]
