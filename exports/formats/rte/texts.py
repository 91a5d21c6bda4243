"""The text of one thing that rows share, by the declared kinds, for the compiled writer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from devices.readings import Channel, DeviceInfo, status_letter
from exports.formats.iso import stamp
from exports.formats.quality import quality_codes
from exports.formats.rte.rows import in_zone
from exports.formats.rte.run import Run
from exports.formats.rte.tables import DECIMALS, INTERVAL, READING, ROW
from exports.formats.values import ONE, Scale, decimal_text, value_of
from exports.formats.zones import zone_of

SURE = 10**15  # counts below this fit the column
NAMED = {column.name: column for column in ROW.columns}
OWN = tuple(NAMED[name] for name in ("DeviceID", "MeterNumber", "ServicePointID"))

ATTRIBUTES = ("device_id", "meter_number", "service_point_id")
WIDTHS = tuple(column.limit for column in OWN)


def device_text(device: DeviceInfo) -> bytes:
    cells = [c.put(getattr(device, name)) for c, name in zip(OWN, ATTRIBUTES, strict=True)]
    return b",%s,%s,%s," % tuple(cells)


def channel_text(channel: Channel) -> bytes:
    put = NAMED
    cells = (
        put["Channel"].put(channel.number),
        put["UOM"].put(channel.unit),
        put["Flow"].put(channel.flow),
    )
    return b"%s,%s,%s," % cells


def kind_text(channel: Channel, run: Run) -> bytes:
    cells = (
        NAMED["ValueType"].put(channel.value_type),
        NAMED["Multiplier"].put(ONE if channel.multiplier is None else channel.multiplier),
        NAMED["MultiplierApplied"].put("Y" if run.applied(channel) else "N"),
    )
    return b",%s,%s,%s," % cells


def quality_text(mask: int) -> bytes:
    codes = NAMED["QualityCodes"].put(";".join(quality_codes(mask)))
    return b"%s,%s," % (NAMED["Quality"].put(status_letter(mask)), codes)


def value_text(count: int, scale: Scale, kind: str) -> bytes:
    _, digits, exponent = scale.resolution.as_tuple()
    plain = digits == (1,) and scale.divisor == ONE
    if plain and -DECIMALS[kind] <= int(exponent) <= 0 and abs(count) < SURE:
        return b"%d" % count if not exponent else decimal_text(count, -int(exponent))
    value = value_of(count, scale)
    if kind == INTERVAL:
        return NAMED["Value"].put(value)
    return READING.put(value, "Value", NAMED["Value"].limit)


def time_text(seconds: int, zone: str) -> bytes:
    return stamp(seconds, zone).encode()


def batch_text(batch: Any, zone: str) -> bytes:
    if batch is None:
        return b","
    received = NAMED["ReceivedTime"].put(in_zone(batch.received, zone_of(zone)))
    return b"%s,%s" % (received, NAMED["Origin"].put(batch.source))


def tried(made: Callable[..., bytes], *arguments: Any) -> bytes | None:
    """The text, or None where it cannot be made."""
    try:
        return made(*arguments)
    except ValueError:
        return None


def all_bare(texts: Sequence[str], width: int) -> bool:
    """All these texts are written as they are, with nothing to refuse."""
    joined = "\n".join(texts)
    return (
        joined.count("\n") == len(texts) - 1
        and joined.isascii()
        and joined.replace("\n", "").isprintable()
        and "," not in joined
        and '"' not in joined
        and max(map(len, texts)) <= width
    )
