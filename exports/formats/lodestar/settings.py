"""Settings that are maps, checked when they are given rather than when they are used."""

from __future__ import annotations

import re
from collections.abc import Callable

from devices.readings import FLOWS, UNITS
from exports.formats.options import OptionError, Options

_CODE = re.compile(r"[0-9]{2}")
_NUMBER = re.compile(r"[1-9][0-9]{0,2}")


def settings_check(options: Options) -> Options:
    """The same options; OptionError for a map that names what there is not, or one thing twice."""
    _map_check(options, "uom_map", _unit, _CODE, "UNIT=two digits")
    _map_check(options, "channel_map", _quantity, _NUMBER, "UNIT FLOW=number or FLOW=number")
    return options


def _map_check(
    options: Options,
    name: str,
    known: Callable[[str], bool],
    value: re.Pattern[str],
    allowed: str,
) -> None:
    pairs: dict[str, str] = options.get(name) or {}
    for key, text in pairs.items():
        if not known(key) or not value.fullmatch(text):
            raise OptionError(name, f"option {name}: {key}={text} is not allowed; {allowed}")
    if len(set(pairs.values())) < len(pairs):
        raise OptionError(name, f"option {name}: one value is given twice")


def _unit(text: str) -> bool:
    return text in UNITS and text != "PULSE"


def _quantity(text: str) -> bool:
    unit, _, flow = text.rpartition(" ")
    return flow in FLOWS and (not unit or _unit(unit))
