"""Unit codes: a site table over the default one; what a channel becomes by it, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from devices.readings import FLOWS, UNITS, Channel, RegisterValue
from exports.formats.base import Table
from exports.formats.issues import refusal
from exports.formats.options import OptionError
from exports.formats.text import product

# fmt: off
DEFAULT_CODES = {
    ("KWH", "DEL"):   "01",
    ("KWH", "REC"):   "02",
    ("KVARH", "DEL"): "03",
    ("KVAH", "DEL"):  "04",
    ("KVARH", "REC"): "05",
}
# Seen in real files: phases A, B, C. For reading only; the phase is lost.
SEEN_CODES = {"07": "V", "08": "V", "09": "V", "10": "A", "11": "A", "12": "A"}
# fmt: on
FLOW_LETTERS = {"DEL": "D", "REC": "R"}
FLOWS_READ = {letter: flow for flow, letter in FLOW_LETTERS.items()}
ONE = Decimal(1)
PER_HOUR = {seconds: 3600 // seconds for seconds in (60, 120, 180, 240, 300, 360, 600, 720)} | {
    seconds: 3600 // seconds for seconds in (900, 1200, 1800, 3600)
}
LONGEST = max(PER_HOUR)
SECONDS = {per_hour: seconds for seconds, per_hour in PER_HOUR.items()}

Codes = dict[tuple[str, str], str]


def quantity_of(option: str, text: str) -> tuple[str, str]:
    """`KWH DEL`, `KWH` → unit and flow. OptionError."""
    unit, _, flow = text.upper().partition(" ")
    flow = flow.strip() or "DEL"
    known = unit in UNITS and flow in FLOWS
    if not known or (flow != "DEL" and not UNITS[unit].directed):
        raise OptionError(option, f"option {option}: {text!r} is no unit with its flow")
    return unit, flow


def unit_codes(given: Mapping[str, str] | None) -> Codes:
    """The default table with a site's own codes. OptionError."""
    own: Codes = {}
    for text, code in (given or {}).items():
        key = quantity_of("unit_codes", text)
        digits = len(code) == 2 and code.isascii() and code.isdigit()
        if not digits or key[0] == "PULSE" or key[1] not in FLOW_LETTERS:
            raise OptionError(
                "unit_codes", f"option unit_codes: {text}={code}: two digits, for DEL or REC"
            )
        own[key] = code
    if len(set(own.values())) < len(own):
        raise OptionError("unit_codes", "option unit_codes: a code stands for two units")
    taken = set(own.values())
    return {key: code for key, code in DEFAULT_CODES.items() if code not in taken} | own


def resolutions(given: Mapping[str, str] | None) -> dict[tuple[str, str], Decimal]:
    """Resolutions by unit and flow; `*` as two empty texts. OptionError."""
    found = {}
    for text, number in (given or {}).items():
        key = ("", "") if text == "*" else quantity_of("resolutions", text)
        try:
            value = Decimal(number)
        except ArithmeticError:
            value = Decimal(0)
        if not (value.is_finite() and 0 < value < 10**9 and value.as_tuple().exponent >= -9):  # type: ignore[operator]
            raise OptionError("resolutions", f"option resolutions: {text}={number} is none")
        found[key] = value
    return found


class Target(NamedTuple):
    """What a channel becomes. Written value = count times `scale`, multipliers applied."""

    unit: str
    flow: str
    code: str
    letter: str  # of the flow
    seconds: int
    usage: bool
    scale: Decimal
    multiplier: Decimal
    pulse: Decimal | None = None  # units per pulse; None: cells are singles

    @property
    def label(self) -> str:
        return f"{self.unit} {self.letter}"


def channel_target(channel: Channel, codes: Codes) -> Target:
    """FMT08, FMT13, FMT17 if there is none."""
    code, letter = unit_code(channel.unit, channel.flow, codes)
    if channel.seconds not in PER_HOUR:
        raise refusal("FMT17", seconds=channel.seconds)
    multiplier = ONE if channel.multiplier is None else channel.multiplier
    return Target(
        *(channel.unit, channel.flow, code, letter, channel.seconds, channel.value_type == "U"),
        product(channel.resolution, open_multiplier(channel)),
        multiplier,
    )


def unit_code(unit: str, flow: str, codes: Codes) -> tuple[str, str]:
    """Code and letter of unit and flow; FMT08, FMT13."""
    if flow not in FLOW_LETTERS:
        raise refusal("FMT13", flow=flow)
    if (unit, flow) not in codes:
        raise refusal("FMT08", unit=unit, flow=flow)
    return codes[unit, flow], FLOW_LETTERS[flow]


def open_multiplier(source: Channel | RegisterValue) -> Decimal:
    """The multiplier that has still to be applied; one that is not stated counts as applied."""
    applied = source.multiplier_applied is not False
    return ONE if applied or source.multiplier is None else source.multiplier


class UnitReader:
    """Codes back to units, by a reader's options."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        codes = unit_codes(options["unit_codes"])
        self.units = {code: key for key, code in codes.items()}
        if options["seen_codes"]:
            seen = {code: (unit, "DEL") for code, unit in SEEN_CODES.items()}
            self.units = seen | self.units

    def unit_read(self, code: str, letter: str) -> tuple[str, str, bool] | None:
        """Unit, flow, and whether code and flow letter agree; None for an unknown code.

        REC if the code says so or the letter does; units without direction are DEL.
        """
        if code not in self.units:
            return None
        unit, flow = self.units[code]
        stated = FLOWS_READ.get(letter, "DEL")
        if not UNITS[unit].directed:
            return unit, "DEL", stated == "DEL"
        return unit, "REC" if "REC" in (flow, stated) else flow, flow == stated


def unit_tables() -> dict[str, Table]:
    """The codes for the documentation."""
    written = [(f"`{code}`", unit, flow) for (unit, flow), code in DEFAULT_CODES.items()]
    seen = [(f"`{code}`", unit) for code, unit in SEEN_CODES.items()]
    return {
        "unit codes": [("Code", "Unit", "Flow"), *written],
        "seen codes": [("Code", "Unit"), *seen],
    }


def codes_table(texts: Iterable[tuple[str, str]]) -> Table:
    """Codes with their texts, for the documentation."""
    return [("Code", "Text"), *((f"`{code}`", text) for code, text in texts)]
