"""What a run decides once: profile, settings, statuses, and what a channel becomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from devices.readings import INTERVAL_SECONDS, PUBLIC, Channel, DeviceInfo, Status
from exports.formats.clocks import Clock, clock_of
from exports.formats.context import WriteContext
from exports.formats.issues import FormatError
from exports.formats.lodestar.tables import (
    DAILY,
    DEFAULT_IDENTIFIERS,
    DUNS_LENGTHS,
    ERCOT_CHANNELS,
    ERCOT_LENGTHS,
    ERCOT_SECONDS,
    HEADER_1,
    IDENTIFIERS,
    LSW,
    UNIT_CODES,
    UNSUPPORTED,
    WIDTHS,
    ZONE_NAMES,
    lse,
)
from exports.formats.text import product
from exports.formats.zones import standard_offset

ONE = Decimal(1)
DOUBT = int(Status.RAW | Status.QUESTIONABLE)
MADE = int(Status.ESTIMATED | Status.EDITED)
HALF_HOUR = 1800


class Target(NamedTuple):
    """Where a channel's values go. Written value = count times `scale`."""

    number: int
    unit: str  # code
    multiplier: Decimal
    scale: Decimal
    may_be_negative: bool
    descriptor: str


@dataclass(slots=True)
class Run:
    """The frozen context as LodeStar sees it. One a frame; cheap to make."""

    ctx: WriteContext
    ercot: bool = field(init=False)
    attribute: str = field(init=False)
    prevailing: bool = field(init=False)
    gap: bytes = field(init=False)  # the value of a missing slot
    codes: Mapping[str, str] = field(init=False)
    names: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        options = self.ctx.options
        self.ercot = options["profile"] == "ercot"
        self.attribute = identifier_of(options)
        self.prevailing = options["dst"] == "Y"
        self.gap = b"" if self.ercot or options["missing"] == "empty" else b"0"
        built_in = {"KWH": UNIT_CODES["KWH"]} if self.ercot else UNIT_CODES
        self.codes = built_in | (options["uom_map"] or {})
        self.names = ZONE_NAMES | (options["zone_name"] or {})
        _settings_check(options)

    # --- meters and channels --------------------------------------------------------------------
    def recorder(self, device: DeviceInfo) -> tuple[str, list[tuple[str, str]]]:
        """Field 2 and its warnings; FMT05, FMT06, FMT11, LSE07."""
        text: str = getattr(device, self.attribute)
        width = WIDTHS[self.ctx.options["profile"]]
        if not text:
            raise lse("LSE07", field=self.attribute).at(meter=device.device_id)
        if len(text) > width:
            raise lse("FMT06", field="recorder", length=len(text), width=width)
        HEADER_1.column("recorder").put(text)
        odd = self.ercot and len(text) not in ERCOT_LENGTHS
        return text, [("LSW01", f"{LSW['LSW01']}: {text}")] if odd else []

    def bare(self, names: Sequence[str]) -> bool:
        """All these recorder ids are written as they are, with nothing to refuse or warn of."""
        joined = "".join(names)
        lengths = set(map(len, names)) or {1}
        fit = lengths <= set(ERCOT_LENGTHS) if self.ercot else max(lengths) <= WIDTHS["generic"]
        plain = (
            joined.isascii() and joined.isprintable() and "," not in joined and '"' not in joined
        )
        return fit and min(lengths) > 0 and plain

    def target(self, channel: Channel) -> Target:
        """What a channel becomes; FMT08, FMT10, FMT13, FMT17 if it has no place."""
        seconds, unit, flow = channel.seconds, channel.unit, channel.flow
        carried = seconds in INTERVAL_SECONDS and seconds != DAILY
        if not carried or (self.ercot and seconds != ERCOT_SECONDS):
            raise lse("FMT17", seconds=seconds)
        if unit not in self.codes or unit == "PULSE":
            raise lse("FMT08", unit=unit, flow=flow)
        if self.ercot and flow not in ERCOT_CHANNELS:
            raise lse("FMT13", flow=flow)
        multiplier = ONE if channel.multiplier is None else channel.multiplier
        if not multiplier.is_finite():
            raise lse("FMT10")
        scale = channel.resolution
        if channel.multiplier_applied is False:
            scale = product(scale, multiplier)
        descriptor = self.ctx.options["descriptor"]
        if descriptor is None:
            descriptor = "" if self.ercot else f"{unit} {flow}"
        free = flow == "NET" or unit == "PF"
        number = self._number(channel)
        return Target(number, self.codes[unit], multiplier, scale, free, descriptor)

    def _number(self, channel: Channel) -> int:
        """Field 3."""
        if self.ercot:
            return ERCOT_CHANNELS[channel.flow]
        mapped = self.ctx.options["channel_map"] or {}
        for key in (f"{channel.unit} {channel.flow}", channel.flow):
            if key in mapped:
                return int(mapped[key])
        return channel.number or 1

    def skips(self, error: FormatError) -> bool:
        """The channel alone is left out, not the meter."""
        return error.code in UNSUPPORTED and self.ctx.on_unsupported == "skip"

    # --- zones ----------------------------------------------------------------------------------
    def clock(self, zone: str) -> Clock:
        """The clock that a device's cuts are written by; FMT15, LSE03."""
        clock = clock_of(zone, self.prevailing)
        if zone not in self.names:
            raise lse("LSE03", zone=zone)
        return clock

    def zone_code(self, zone: str, year: int) -> int | None:
        """Field 11 of header 2: half-hours west; None east of GMT, off the half-hour, unwanted."""
        west = -standard_offset(zone, year)
        written = self.ctx.options["zone_offset"] and west >= 0 and west % HALF_HOUR == 0
        return west // HALF_HOUR if written else None

    # --- statuses -------------------------------------------------------------------------------
    def status(self, mask: int) -> str:
        """The status character of a mask (section 4)."""
        return status_of(self.gap, self.ercot, self.characters, mask)

    @property
    def characters(self) -> tuple[str, str, str]:
        """Of an estimated, an edited and a doubtful value (generic)."""
        estimated, edited, doubtful = (self.ctx.options[name] for name in STATUSES)
        return estimated, edited, doubtful

    @property
    def makes_days(self) -> bool:
        """A cut without any interval is written, all of it missing."""
        return bool(self.ctx.options["empty_days"]) and self.ctx.gaps_are_missing

    @property
    def refuses_doubt(self) -> bool:
        """LSE01 for a value that is raw or questionable."""
        return self.ercot and self.ctx.options["unvalidated"] == "refuse"

    @property
    def flags_doubt(self) -> bool:
        """A doubtful value makes its cut invalid."""
        return not self.ercot


STATUSES = ("status_estimated", "status_edited", "status_questionable")
MASKS = range(PUBLIC + 1)


def identifier_of(options: Mapping[str, Any]) -> str:
    """The DeviceInfo attribute that is the recorder id."""
    return IDENTIFIERS[options["id_field"] or DEFAULT_IDENTIFIERS[options["profile"]]]


def status_of(gap: bytes, ercot: bool, characters: tuple[str, str, str], mask: int) -> str:
    """The status character of a mask; `gap` is what stands for a missing value."""
    estimated, edited, doubtful = characters
    if mask & Status.MISSING:
        return "9" if gap else ""
    if ercot:
        return "E" if mask & MADE else "A"
    if mask & Status.EDITED:
        return edited
    if mask & Status.ESTIMATED:
        return estimated
    return doubtful if mask & DOUBT else " "


def _settings_check(options: Mapping[str, Any]) -> None:
    """LSE04, LSE05, LSE06: what the settings alone make impossible."""
    for name in STATUSES:
        value = options[name]
        if len(value) != 1 or not " " <= value <= "~" or value == ",":
            raise lse("LSE04", option=name, value=value).at(format="lodestar")
    if options["include"] != "intervals":
        raise lse("LSE06").at(format="lodestar")
    if options["profile"] == "ercot":
        if options["dst"] != "Y":
            raise lse("LSE05", why="ercot: DST flag N").at(format="lodestar")
        if options["duns"] is not None:
            duns_check(options["duns"])


def duns_check(duns: str | None) -> str:
    """The DUNS number of the ercot file name; LSE05."""
    if not duns or not (duns.isascii() and duns.isdigit() and len(duns) in DUNS_LENGTHS):
        why = f"DUNS {duns!r} is not 9 or 13 digits" if duns else "the ercot file name needs duns"
        raise lse("LSE05", why=why).at(format="lodestar")
    return duns
