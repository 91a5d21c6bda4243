"""What a file's context means for S-XML, and a channel's runs."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

from devices.readings import DAY, Arrival, Channel, DeviceInfo, Ints, instant
from exports.formats.context import Tally, WriteContext
from exports.formats.iso import ZULU
from exports.formats.sxml.tables import DECIMALS, DEVICE_ZONE, LISTS, sxm
from exports.formats.values import Scale, scale_of
from exports.formats.zones import local_date, midnight, zone_of

NAMES = uuid.uuid5(uuid.NAMESPACE_URL, "urn:tms:sxml:1")


class Stretch(NamedTuple):
    """A run of one channel: slots without a gap, as text, and what they add up to.

    `lines`: the I elements; `start`, `end`: epoch seconds; `below`: negative values; `total`: Σ
    values as written, as a whole number of 10**-6. `arrival`, `batch`: of its latest-received
    interval, if known.
    """

    channel: Channel
    start: int
    end: int
    size: int
    estimated: int
    missing: int
    below: int
    total: int
    lines: bytes
    batch: int = 0
    arrival: Arrival | None = None


@dataclass(slots=True)
class Sums:
    """What meters add up to: the counts and totals of Trailer. `interval` is in 10**-6."""

    meters: int = 0
    reads: int = 0
    registers: int = 0
    channels: int = 0
    intervals: int = 0
    events: int = 0
    estimated: int = 0
    missing: int = 0
    interval: int = 0
    energy: Decimal = Decimal(0)
    demand: Decimal = Decimal(0)

    def add(self, other: Sums) -> None:
        """Another meter's."""
        self.meters += other.meters
        self.reads += other.reads
        self.registers += other.registers
        self.channels += other.channels
        self.intervals += other.intervals
        self.events += other.events
        self.estimated += other.estimated
        self.missing += other.missing
        self.interval += other.interval
        self.energy += other.energy
        self.demand += other.demand

    def tell(self, tally: Tally) -> None:
        """Into a tally."""
        tally.meters += self.meters
        tally.records += self.meters
        tally.registers += self.registers
        tally.intervals += self.intervals
        tally.missing += self.missing
        tally.add("RegisterReadCount", self.reads)
        tally.add("ChannelCount", self.channels)
        tally.add("EventCount", self.events)
        tally.add("EstimatedCount", self.estimated)
        tally.add("EnergyControlTotal", self.energy)
        tally.add("DemandControlTotal", self.demand)
        tally.add("IntervalControlTotal", Decimal(self.interval).scaleb(-DECIMALS))


@dataclass(slots=True)
class Run:
    """The frozen context as S-XML sees it; cheap to make."""

    ctx: WriteContext
    codes: bool = field(init=False)
    chosen: dict[str, tuple[str, ...]] = field(init=False)

    def __post_init__(self) -> None:
        options = self.ctx.options
        self.codes = options["quality_codes"]
        self.chosen = {
            name: words_of(name, options[name]) or every for name, every in LISTS.items()
        }
        zone_of(self.header_zone)

    @property
    def header_zone(self) -> str:
        """The zone of header stamps."""
        return self.ctx.zone or self.ctx.system_zone

    @property
    def time_zone(self) -> str:
        """What TimeZone says."""
        zone = self.ctx.zone or DEVICE_ZONE
        return "UTC" if zone in ZULU else zone

    @property
    def file_id(self) -> str:
        """The file's UUID, the same whenever it is made again (decision 0071)."""
        ctx = self.ctx
        name = f"{ctx.sender}/{ctx.export}/{ctx.batch_id}/{ctx.part}"
        return str(uuid.uuid5(NAMES, name))

    def zone(self, device: DeviceInfo) -> str:
        """The zone of a meter's instants."""
        return self.ctx.zone or device.time_zone

    def header_time(self, time: datetime) -> datetime:
        """A header stamp."""
        return time.astimezone(zone_of(self.header_zone))

    def scale(self, channel: Channel) -> Scale:
        """What a count of the channel stands for in the file."""
        return scale_of(channel, self.ctx.options["remove_multiplier"])


def words_of(option: str, text: str) -> tuple[str, ...]:
    """The words of a list option; ValueError names one that is not allowed."""
    words = tuple(
        word.strip().upper() for word in text.replace(";", ",").split(",") if word.strip()
    )
    for word in words:
        if word not in LISTS[option]:
            raise ValueError(f"{word} is none of {', '.join(LISTS[option])}")
    return words


def run_start(channel: Channel, first: int, zone: str) -> int:
    """Where a run begins whose first interval ends at `first`; `zone` is the file's."""
    if channel.seconds != DAY:
        return first - channel.seconds
    return midnight(zone, local_date(zone, first).toordinal() - 1)


def end_check(channel: Channel, end: int, zone: str) -> None:
    """FMT03 of an end off its channel's grid; SXM04 of a day that does not end at midnight."""
    time = f"{instant(end):%Y-%m-%dT%H:%M:%SZ}"
    if channel.seconds == DAY:
        if midnight(zone, local_date(zone, end).toordinal()) != end:
            raise sxm("SXM04", why=f"{time} is no midnight of {zone}").at(instant=instant(end))
    elif channel.grid_offset is not None and (end + channel.grid_offset) % channel.seconds:
        raise sxm("FMT03", time=time, seconds=channel.seconds).at(instant=instant(end))


def steps_follow(ends: Ints, channel: Channel, zone: str) -> list[bool]:
    """Whether each end but the first follows the one before without a gap."""
    if channel.seconds != DAY:
        steps: list[int] = (ends[1:] - ends[:-1]).tolist()
        return [step == channel.seconds for step in steps]
    days = [local_date(zone, end).toordinal() for end in ends.tolist()]
    return [later == earlier + 1 for earlier, later in pairwise(days)]


def next_end(end: int, channel: Channel, zone: str) -> int:
    """The end of the interval after one."""
    if channel.seconds != DAY:
        return end + channel.seconds
    return midnight(zone, local_date(zone, end).toordinal() + 1)
