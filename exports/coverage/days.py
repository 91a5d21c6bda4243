"""A range of local days, and which of them an instant belongs to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from devices.readings import DAY, Ints
from exports.formats.zones import midnight

EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Days:
    """The dates `first` to `last`, in `zone` or, when empty, each device's own."""

    first: date
    last: date
    zone: str = ""

    def __len__(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def dates(self) -> list[date]:
        return [self.first + timedelta(days=n) for n in range(len(self))]

    @property
    def hull(self) -> tuple[int, int]:
        """A stretch of time, epoch seconds, that holds these days in every zone."""
        first, last = self.first.toordinal() - EPOCH, self.last.toordinal() - EPOCH
        return (first - 1) * DAY, (last + 2) * DAY

    def borders(self, own: str) -> Ints:
        """The midnights of the days, and that after the last, for a device of a zone."""
        first = self.first.toordinal()
        zone = self.zone or own
        return np.array([midnight(zone, first + n) for n in range(len(self) + 1)], np.int64)

    def places(self, ends: Ints, zones: Sequence[str], *, closed: bool) -> Ints:
        """Which day, (m, n), each of the times `ends` ((1, n), or one a row (m, 1)) is of; −1: of
        none. `closed`: what ends at midnight is of the day that ends then."""
        found = np.empty((len(zones), ends.shape[1]), np.int64)
        for zone in dict.fromkeys(zones):
            mine = np.array([other == zone for other in zones])
            times = ends if len(ends) == 1 else ends[mine]
            at = np.searchsorted(self.borders(zone), times, side="left" if closed else "right") - 1
            found[mine] = np.where(at < len(self), at, -1)
        return found
