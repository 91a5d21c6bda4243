"""What a format of 216-byte records decides for itself; one a frame, from the frozen context."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from devices.readings import Channel, DeviceInfo, Frame
from exports.formats.context import Tally, WriteContext
from exports.formats.issues import FormatError, refusal
from exports.formats.layout import Field
from exports.formats.records216.units import Target, channel_target, unit_codes

# Runs of missing intervals by channel number: place of the first, number of intervals.
Gaps = dict[int, list[tuple[int, int]]]

if TYPE_CHECKING:
    from exports.formats.records216.plan import Lane, Meter

IDENTIFIERS = {
    "DeviceID": "device_id",
    "MeterNumber": "meter_number",
    "SerialNumber": "serial_number",
    "AccountID": "account_id",
    "ServicePointID": "service_point_id",
    "PremiseID": "premise_id",
    "DeviceClass": "device_class",
    "TransformerID": "transformer_id",
    "FeederID": "feeder_id",
}
# A channel or register that the format cannot carry, as against data that are wrong.
UNSUPPORTED = ("FMT08", "FMT13", "FMT14", "FMT17")


class Book(ABC):
    """Codes, identities and headers of one format, for one run.

    `errors` and `warnings` hold the format's own codes and texts by what they are about: `empty` (a
    meter without an interval, which alone stops no run), `long`, `clash`, `lengths`, `records`,
    `number`, `eras`, `value`; `inexact`, `multipliers`. Headers come in two ways: declared by the
    tables, or by a template made of them.
    """

    format: ClassVar[str]
    errors: ClassVar[Mapping[str, tuple[str, str]]]
    warnings: ClassVar[Mapping[str, tuple[str, str]]]
    most_channels: ClassVar[int]
    attribute: str  # of the device, that the file is sorted by
    wants_gaps = False  # whether `around` has a use for runs of missing intervals

    def __init__(self, ctx: WriteContext) -> None:
        self.ctx = ctx
        self.options = ctx.options
        self.codes = unit_codes(ctx.options["unit_codes"])
        self.start = self._second(ctx.start.timestamp())
        self.end = self._second(ctx.end.timestamp())
        # The whole selection is written, not what there is of it.
        self.whole = ctx.gaps_are_missing and not ctx.options["trim"]
        self._targets: dict[Channel, Target | FormatError] = {}
        self._seen: dict[int, tuple[Channel, Target | FormatError]] = {}  # by the object itself

    def _second(self, time: float) -> int:
        if time % 1:
            raise ValueError("the period's borders must be whole seconds")
        return int(time)

    # --- codes ----------------------------------------------------------------------------------
    @property
    def empty(self) -> str:
        """The code of a meter without an interval, if that is an error in this format."""
        return self.errors["empty"][0] if "empty" in self.errors else ""

    def refusal(self, about: str, **words: object) -> FormatError:
        code, text = self.errors[about]
        return FormatError(code, text.format(**words))

    def warning(self, about: str) -> str:
        return self.warnings[about][0]

    def skips(self, error: FormatError) -> bool:
        """The channel or register alone is left out, not the meter."""
        return error.code in UNSUPPORTED and self.ctx.on_unsupported == "skip"

    # --- meters ---------------------------------------------------------------------------------
    @abstractmethod
    def key(self, device: DeviceInfo) -> tuple[str, ...]:
        """What tells meters apart; the file is sorted by the first of it."""

    @abstractmethod
    def name(self, device: DeviceInfo) -> str:
        """The meter's name in messages."""

    @abstractmethod
    def identity(self, device: DeviceInfo, tally: Tally) -> tuple[bytes, ...]:
        """The meter's identifiers as they are written, in full size; the first is its key."""

    def bare(self, frame: Frame, devices: Sequence[int]) -> bool:
        """Whether the meter is written even without an interval."""
        return False

    def target(self, channel: Channel) -> Target:
        """The channel's target, one object for all alike; FormatError if it has none."""
        known, found = self._seen.get(id(channel), (None, None))
        if known is not channel or found is None:
            found = self._targets.get(channel)
            if found is None:
                try:
                    found = self.channel_target(channel)
                except FormatError as error:
                    found = error
                self._targets[channel] = found
            self._seen[id(channel)] = (channel, found)
        if isinstance(found, FormatError):
            raise FormatError(found.code, found.text)
        return found

    def channel_target(self, channel: Channel) -> Target:
        return channel_target(channel, self.codes)

    def identifier(self, field: Field, text: str, tally: Tally) -> bytes:
        """An identifier in its field; what is longer is refused, or its end stays."""
        if len(text) > field.size:
            if self.options["overflow_ids"] == "refuse":
                words = {"field": field.name, "length": len(text), "width": field.size}
                raise self.refusal("long", **words)
            text = text[-field.size :]
            tally.add(f"cut {field.name} {text}", 1)
        if self.options["overflow_ids"] != "refuse":
            tally.add(f"has {field.name} {text}", 1)
        return field.put(text)

    def offsets_refusal(self, found: Sequence[int]) -> FormatError:
        """Why meters of different standard offsets (seconds) cannot share a file."""
        listed = ", ".join(f"{offset // 60:+} min" for offset in found)
        if "offsets" in self.errors:
            return self.refusal("offsets", offsets=listed)
        return refusal("FMT15", time=f"standard offsets {listed} in one file")

    # --- records --------------------------------------------------------------------------------
    @abstractmethod
    def channel(
        self, frame: Frame, meter: Meter, lane: Lane, tally: Tally, declared: bool
    ) -> bytes:
        """A channel's header."""

    @abstractmethod
    def around(
        self, frame: Frame, meter: Meter, gaps: Gaps, tally: Tally, declared: bool
    ) -> tuple[bytes, bytes]:
        """The records before the channels, and those after them."""
