"""Pure: many devices as columns, each made only when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Any, overload

from devices.readings import DeviceInfo


class Roster(Sequence[DeviceInfo]):
    """Devices by columns: one sequence for each field of DeviceInfo, in its order."""

    __slots__ = ("_columns",)

    def __init__(self, columns: Sequence[Sequence[Any]]) -> None:
        self._columns = tuple(columns)

    def __len__(self) -> int:
        return len(self._columns[0])

    @overload
    def __getitem__(self, place: int) -> DeviceInfo: ...
    @overload
    def __getitem__(self, place: slice) -> Roster: ...
    def __getitem__(self, place: int | slice) -> DeviceInfo | Roster:
        if isinstance(place, slice):
            return Roster([column[place] for column in self._columns])
        return DeviceInfo._make([column[place] for column in self._columns])

    def __iter__(self) -> Iterator[DeviceInfo]:
        return map(DeviceInfo._make, zip(*self._columns, strict=True))

    def take(self, places: Sequence[int]) -> Roster:
        """Some of them, in this order."""
        return Roster([[column[place] for place in places] for column in self._columns])

    def column(self, name: str) -> Sequence[Any]:
        """One field of all of them."""
        return self._columns[DeviceInfo._fields.index(name)]


def column_of(devices: Sequence[DeviceInfo], name: str) -> Sequence[Any]:
    """One field of some devices, however they are kept."""
    if isinstance(devices, Roster):
        return devices.column(name)
    return list(map(attrgetter(name), devices))
