"""What a channel or register becomes: its unit code, sign, factor, constant and commodity.

Everything here is decided once a channel, never once a value. Sections 2.1, 5 and 7.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from devices.readings import INTERVAL_SECONDS, UNITS, Channel, RegisterValue
from exports.formats.cmep.tables import (
    KVARH_SIGNS,
    M3,
    MEPMD01,
    PREFIXES,
    SENSUS_UNITS,
    UNIT_COMMODITY,
    UNITS as CODES,
    cme,
)
from exports.formats.text import product

ONE, SENSUS_ONE = Decimal(1), Decimal("1.0")
FLOW_PREFIX = {"DEL": ""} | {flow: prefix for prefix, flow in PREFIXES.items()}


class Target(NamedTuple):
    """Where a channel's values go. Written value = count (register: value) times `scale`."""

    unit: str
    commodity: str
    constant: Decimal
    scale: Decimal
    may_be_negative: bool


def interval_target(channel: Channel, options: Mapping[str, Any]) -> Target:
    """The target of an interval channel; FMT07, FMT08, FMT13, FMT17, CME04 if it has none."""
    if channel.seconds not in INTERVAL_SECONDS:
        raise cme("FMT17", seconds=channel.seconds)
    unit, factor = _metric(channel.unit, options)
    code, sign = _interval_code(unit, channel.flow, options)
    pulses = channel.unit == "PULSE"
    constant = ONE
    if pulses and not channel.multiplier_applied:
        constant = channel.multiplier or ONE
    scale = product(channel.resolution, factor, Decimal(sign))
    if not pulses:
        scale = product(scale, _open_multiplier(channel))
    return _target(code, constant, scale, channel.flow, options)


def is_total(value: RegisterValue) -> bool:
    """Whether it is a reading for `*REG`."""
    return value.register_class == "SUM" and value.rate == "T"


def in_totals(value: RegisterValue) -> bool:
    """Whether MEPMD02 has a place for it."""
    return value.register_class in ("SUM", "MAX") and value.occurrence == 1


def register_target(value: RegisterValue, options: Mapping[str, Any]) -> Target:
    """The target of a register; FMT08, FMT13, FMT14, CME04, CME06 if it has none."""
    if not is_total(value):
        raise cme("FMT14", register_class=value.register_class, rate=value.rate)
    unit, factor = _metric(value.unit, options)
    code = _register_code(unit, value.flow, options)
    scale = product(factor, _open_multiplier(value))
    return _target(code, ONE, scale, value.flow, options)


def total_target(value: RegisterValue, options: Mapping[str, Any]) -> Target:
    """The target of a total of a period (MEPMD02); FMT08, FMT13, CME04 if it has none."""
    unit, factor = _metric(value.unit, options)
    code, sign = _interval_code(unit, value.flow, options)
    scale = product(factor, Decimal(sign), _open_multiplier(value))
    return _target(code, ONE, scale, value.flow, options)


def _target(
    code: str, constant: Decimal, scale: Decimal, flow: str, options: Mapping[str, Any]
) -> Target:
    commodity = options["commodity"] or UNIT_COMMODITY.get(code, "E")
    if commodity not in (CODES | SENSUS_UNITS)[code].commodities:
        raise cme("CME04", unit=code, commodity=commodity)
    MEPMD01.column("calculation_constant").put(constant)
    if constant == 1:
        constant = SENSUS_ONE if options["dialect"] == "sensus" else ONE
    return Target(code, commodity, constant, scale, flow == "NET")


def _open_multiplier(source: Channel | RegisterValue) -> Decimal:
    """The multiplier that has still to be applied; one that is not stated counts as applied."""
    applied = source.multiplier_applied is not False
    return ONE if applied or source.multiplier is None else source.multiplier


def _metric(unit: str, options: Mapping[str, Any]) -> tuple[str, Decimal]:
    """Cubic metres as the unit of `convert_m3`, and the factor."""
    target = options["convert_m3"] if unit == "M3" else None
    return (target, M3[target]) if target else (unit, ONE)


def _interval_code(unit: str, flow: str, options: Mapping[str, Any]) -> tuple[str, int]:
    """Unit code and sign of an interval channel."""
    name = "VOLTS" if unit == "V" else unit
    unknown = name not in CODES or (unit == "PULSE" and not options["pulses"])
    if unknown or (flow != "DEL" and not UNITS[unit].directed):
        raise cme("FMT08", unit=unit, flow=flow)
    sensus = options["dialect"] == "sensus"
    signs = KVARH_SIGNS[options["kvarh_sign"]] if unit in ("KVARH", "KVAR") else {}
    prefix, sign = signs.get(flow, (FLOW_PREFIX.get(flow), 1))
    code = f"{prefix}{name}"
    if prefix is None or not (code in CODES or (sensus and code in SENSUS_UNITS)):
        raise cme("FMT13", flow=flow)
    return code, sign


def _register_code(unit: str, flow: str, options: Mapping[str, Any]) -> str:
    """Unit code of a register."""
    known = CODES | SENSUS_UNITS if options["dialect"] == "sensus" else CODES
    if flow == "DEL" and unit == options["gasreg_unit"]:
        return "GASREG"
    if f"{unit}REG" not in CODES | SENSUS_UNITS:
        raise cme("FMT08", unit=unit, flow=flow)
    if flow not in FLOW_PREFIX:
        raise cme("FMT13", flow=flow)
    if flow != "DEL" and UNITS[unit].directed and options["dialect"] != "sensus":
        raise cme("CME06", flow=flow)
    code = f"{FLOW_PREFIX[flow]}{unit}REG"
    if code not in known:
        raise cme("FMT08", unit=unit, flow=flow)
    return code
