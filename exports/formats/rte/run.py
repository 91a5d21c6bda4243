"""What a file's context means for RTE's rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from devices.readings import Channel, DeviceInfo
from exports.formats.context import WriteContext
from exports.formats.iso import ZULU
from exports.formats.rte.arrivals import Arrivals, is_missing, is_withdrawn
from exports.formats.rte.tables import INTERVAL, REGISTER, TOTAL
from exports.formats.text import ROUNDING, product
from exports.formats.zones import zone_of

ONE = Decimal(1)
RETRIEVED = "SC"  # what a scheduled retrieval brings


class Scale(NamedTuple):
    """Count × resolution ÷ divisor is the value."""

    resolution: Decimal
    divisor: Decimal


@dataclass(slots=True)
class Run:
    """The frozen context as RTE sees it; cheap to make."""

    ctx: WriteContext
    line_end: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.line_end = b"\r\n" if self.ctx.options["line_end"] == "CRLF" else b"\n"
        zone_of(self.header_zone)

    @property
    def header_zone(self) -> str:
        """The zone of header stamps."""
        zone = self.ctx.zone or self.ctx.system_zone
        return "UTC" if zone in ZULU else zone

    def header_time(self, time: datetime) -> datetime:
        """A header stamp."""
        return time.astimezone(zone_of(self.header_zone))

    def zone(self, device: DeviceInfo) -> str:
        """The zone of a device's rows."""
        return self.ctx.zone or device.time_zone

    def wanted(self, arrivals: Arrivals) -> npt.NDArray[np.bool_] | None:
        """The rows that are sent, (n,); None when all are.

        A known gap is one only as the option says; a withdrawal takes back what was sent, so it is
        always one (decision 0070). A register without a value is none.
        """
        missing = is_missing(arrivals.status)
        if not missing.any():
            return None
        send = self.ctx.options["send_missing"]
        gaps = np.full(len(arrivals), bool(send))
        if send is None:
            sources = ["" if batch is None else batch.source for batch in arrivals.batches]
            gaps = np.array([source == RETRIEVED for source in sources])[arrivals.batch]
        gaps |= is_withdrawn(arrivals.status)
        registers = np.array([kind_of(channel) == REGISTER for channel in arrivals.channels])
        kept: npt.NDArray[np.bool_] = ~missing | (gaps & ~registers[arrivals.channel])
        return kept

    def applied(self, channel: Channel) -> bool:
        """Whether the multiplier is in the values written."""
        return channel.multiplier_applied is not False and not self._removes(channel)

    def scale(self, channel: Channel) -> Scale:
        """What a count of the channel stands for in the file."""
        removed = self._removes(channel) and channel.multiplier is not None
        divisor = (channel.multiplier or ONE) if removed else ONE
        return Scale(channel.resolution.normalize(), divisor)

    def _removes(self, channel: Channel) -> bool:
        wanted = self.ctx.options["remove_multiplier"]
        return bool(wanted) and channel.multiplier_applied is not False


def kind_of(channel: Channel) -> str:
    """The record type of a channel's rows."""
    return REGISTER if channel.value_type == TOTAL else INTERVAL


def value_of(count: int, scale: Scale) -> Decimal:
    """A count as the file's value; rounded only where it is divided, far below its digits."""
    value = product(Decimal(count), scale.resolution)
    return value if scale.divisor == ONE else ROUNDING.divide(value, scale.divisor)
