"""What a file's context means for RTE's rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt

from devices.readings import Channel, DeviceInfo
from exports.formats.context import WriteContext
from exports.formats.iso import ZULU
from exports.formats.rte.arrivals import Arrivals, is_missing, is_withdrawn
from exports.formats.rte.tables import INTERVAL, REGISTER, TOTAL
from exports.formats.values import Scale, is_applied, scale_of
from exports.formats.zones import zone_of

RETRIEVED = "SC"  # what a scheduled retrieval brings


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
        return None if kept.all() else kept

    def applied(self, channel: Channel) -> bool:
        """Whether the multiplier is in the values written."""
        return is_applied(channel, self.ctx.options["remove_multiplier"])

    def scale(self, channel: Channel) -> Scale:
        """What a count of the channel stands for in the file."""
        return scale_of(channel, self.ctx.options["remove_multiplier"])


def kind_of(channel: Channel) -> str:
    """The record type of a channel's rows."""
    return REGISTER if channel.value_type == TOTAL else INTERVAL
