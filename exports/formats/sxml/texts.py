"""Text that many meters share, or that is short of a template: identity, start tags."""

from __future__ import annotations

from functools import lru_cache
from operator import attrgetter, gt

from devices.readings import WIDTHS, Arrival, Channel, DeviceInfo
from exports.formats.sxml.markup import all_bare
from exports.formats.sxml.tables import CHANNEL, DEVICE, GROUP, IDENTITY, INTERVAL_READ, VALUE_TYPES
from exports.formats.values import ONE, is_applied
from exports.formats.zones import zone_of

_identifiers = attrgetter(*IDENTITY)
_WIDTHS = tuple(WIDTHS[name] for name in IDENTITY)


def identity_text(info: DeviceInfo) -> bytes:
    """Identity: by a template where every identifier stands as it is, else line by line."""
    values = _identifiers(info)
    given = list(filter(None, values))
    fits = not any(map(gt, map(len, values), _WIDTHS))
    if fits and values[0] and values[1] and all_bare(given):
        return (_template(tuple(map(bool, values))) % tuple(given)).encode()
    lines = [
        leaf.line(8, value)
        for (name, leaf), value in zip(IDENTITY.items(), values, strict=True)
        if value or name in ("device_id", "meter_number")
    ]
    return b"".join([b"      <Identity>\r\n", *lines, b"      </Identity>\r\n"])


@lru_cache(maxsize=64)
def _template(there: tuple[bool, ...]) -> str:
    """Identity with the identifiers that are there left open."""
    names = [leaf.name for leaf, one in zip(IDENTITY.values(), there, strict=True) if one]
    lines = [f"        <{name}>%s</{name}>\r\n" for name in names]
    return "".join(["      <Identity>\r\n", *lines, "      </Identity>\r\n"])


@lru_cache(maxsize=4096)
def device_text(device_class: str) -> bytes:
    return b"      <%s/>\r\n" % DEVICE.tag({"class": device_class})


@lru_cache(maxsize=4096)
def group_text(code: str, kind: str) -> bytes:
    return GROUP.line(6, code, {"kind": kind})


@lru_cache(maxsize=4096)
def interval_read_text(batch: int, arrival: Arrival, zone: str) -> bytes:
    received = arrival.received.astimezone(zone_of(zone))
    values = {"id": batch, "received": received, "source": arrival.source}
    return b"      <%s>\r\n" % INTERVAL_READ.tag(values)


@lru_cache(maxsize=4096)
def channel_head_text(channel: Channel, remove: bool) -> bytes:
    """A Channel's start tag, open at @start, @end and @count."""
    values = {
        "no": channel.number,
        "uom": channel.unit,
        "flow": channel.flow,
        "seconds": str(channel.seconds),
        "valueType": VALUE_TYPES[channel.value_type],
        "multiplier": ONE if channel.multiplier is None else channel.multiplier,
        "multiplierApplied": is_applied(channel, remove),
    }
    return b"        <%s>\r\n" % CHANNEL.template(values, "start", "end", "count")
