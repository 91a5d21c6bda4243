"""What a run is asked for: a selection over a period, as of a horizon, or what changed since."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

from exports.formats.base import Billing

ORDERS = ("device_id", "meter_number", "serial_number")
# A window for runs without a period: nothing in the store lies outside.
BEGINNING, NEVER_ENDING = 0, 1 << 34

Grain = Literal["slot", "day", "span"]


@dataclass(frozen=True, slots=True)
class Selection:
    """What a run is asked for; empty means all."""

    groups: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    channels: tuple[int, ...] = ()
    units: tuple[str, ...] = ()


class ExtraDay(NamedTuple):
    """A channel-day owed from the backlog: what is newer than `since` is still to be sent, but for
    changes, up to `sent`, of what was there at `since`."""

    channel_id: int
    day: int  # days since 1970, as the channel keeps them
    since: int
    sent: int = 0


class ExtraRead(NamedTuple):
    """A register read owed from the backlog, in the same way."""

    device_id: int
    read_type: str
    time: datetime
    since: int
    sent: int = 0


class Window(NamedTuple):
    """A stretch (start, end] of time, epoch seconds, of which all up to a batch was sent."""

    start: int
    end: int
    number: int


@dataclass(frozen=True, slots=True)
class Scope:
    """A selection over a period (start, end], as of a horizon, in a format's order.

    With `since` only what batches numbered in (since, horizon] changed, and what `extra` and
    `extra_reads` owe; start and end then only narrow it, and may be None. `grain`: what of a
    meter goes along with its changed slots (`Format.since`); `zone` names the days of grain
    "day", empty: each device's own. `margin`: seconds around the period from which register
    reads come too. `billing`: of the reads only those that a bill over the period needs.

    `corrections`: of that, only what changed after it was sent: what was there at `since`, and is
    newer than `began` (before, nothing was to be sent). With `windows`, ascending and apart, it is
    what is newer than the window that it lies in, there before or not. `without`: devices, by
    primary key, of which nothing is sent. `extra_events`: of which devices all events are owed
    since which number.
    """

    selection: Selection
    start: datetime | None
    end: datetime | None
    horizon: int | None = None
    order: str = "device_id"
    intervals: bool = True
    registers: bool = False
    events: bool = False
    arrivals: bool = False
    margin: int = 0
    reads_at_end: bool = False
    billing: Billing | None = None
    since: int | None = None
    grain: Grain = "slot"
    zone: str = ""
    extra: Sequence[ExtraDay] = ()
    extra_reads: Sequence[ExtraRead] = ()
    extra_events: Mapping[int, int] = field(default_factory=dict)
    corrections: bool = False
    began: int = 0
    windows: Sequence[Window] = ()
    without: Sequence[int] = ()

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise ValueError(f"files are not sorted by {self.order}")
        if self.since is None and (self.start is None or self.end is None):
            raise ValueError("a period has a start and an end")
        if self.since is None and (self.extra or self.extra_reads):
            raise ValueError("a backlog goes out with what changed since, not with a period")

    @property
    def first(self) -> int:
        return BEGINNING if self.start is None else int(self.start.timestamp())

    @property
    def last(self) -> int:
        return NEVER_ENDING if self.end is None else int(self.end.timestamp())

    @property
    def number(self) -> int:
        """The horizon, which must be known by now."""
        if self.horizon is None:
            raise ValueError("the scope has no horizon yet")
        return self.horizon
