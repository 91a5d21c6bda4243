"""Which reads a bill cycle is billed by: of some of its meters, what was decided and why.

One query a table and page, whatever the fleet; exports choose by the same rule (`bestread`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db.models import Q, QuerySet

from devices import journal
from devices.bestread import Bill, Verdict, Window, bill_choose
from devices.consumption import Reading, Usage, usage
from devices.models import Device, FunctionalGroup, Installation, Membership
from devices.readings import RegisterRead
from devices.registers import Register, register_dials, registers_of, value_of


class Cycle(NamedTuple):
    """A bill cycle from one instant to another; how far from these its reads may lie."""

    group: FunctionalGroup
    opens: datetime
    closes: datetime
    window: Window


class Line(NamedTuple):
    """A meter's part of a cycle at one place, and the reads that it is billed by.

    `came`, `went`: whether it began or ended within the cycle. `used`: by the register that is
    named, None when a read lacks.
    """

    device: Device
    place: Installation | None
    start: datetime
    end: datetime
    came: bool
    went: bool
    bill: Bill
    register: Register | None
    used: Usage | None

    @property
    def fault(self) -> str:
        """Why it cannot be billed, or an empty text."""
        for choice, word in ((self.bill.closing, "closing"), (self.bill.opening, "opening")):
            if choice.read is None:
                return f"no {word} read: {_why_none(choice.verdicts)}"
        return ""


def _why_none(verdicts: Sequence[Verdict]) -> str:
    whys = dict.fromkeys(verdict.why for verdict in verdicts if verdict.near)
    if not whys:
        return "nothing was read in the window"
    return "; ".join(list(whys)[:3])


def members_for_cycle(cycle: Cycle) -> QuerySet[Membership]:
    """Stays in the cycle, by device: those that began before it closed and ended after it opened.

    One that ends as the cycle closes was in it; one that begins then is of the next.
    """
    within = Q(valid_from__lt=cycle.closes) & (Q(valid_to=None) | Q(valid_to__gt=cycle.opens))
    rows = Membership.objects.filter(within, group=cycle.group)
    return rows.select_related("device__device_class").order_by("device", "pk")


def lines_for_cycle(cycle: Cycle, members: Iterable[Membership]) -> list[Line]:
    """The lines of these stays in the cycle, in their order."""
    members = list(members)
    devices = {member.device_id: member.device for member in members}
    places = _places(cycle, list(devices))
    reads = journal.registers_read(
        list(devices), cycle.opens - cycle.window.before, cycle.closes + cycle.window.after,
        closed=True,
    )  # fmt: skip
    dials = register_dials(list(devices.values()))
    lines = []
    for member in members:
        mine = reads.get(member.device_id, [])
        for place in places.get(member.device_id, [None]):
            start, came = _border(cycle.opens, max, member.valid_from, place and place.valid_from)
            end, went = _border(cycle.closes, min, member.valid_to, place and place.valid_to)
            if start >= end:
                continue
            bill = bill_choose(mine, start, end, window=cycle.window, came=came, went=went)
            used = _used(member.device, bill, dials.get(member.device.device_class_id, {}))
            lines.append(Line(member.device, place, start, end, came, went, bill, *used))
    return lines


def _places(cycle: Cycle, devices: Sequence[int]) -> dict[int, list[Installation | None]]:
    """Where each device was during the cycle, in order of time."""
    found: dict[int, list[Installation | None]] = {}
    during = Q(valid_to=None) | Q(valid_to__gt=cycle.opens)
    rows = Installation.objects.filter(during, device__in=devices, valid_from__lt=cycle.closes)
    for row in rows.order_by("device", "valid_from"):
        found.setdefault(row.device_id, []).append(row)
    return found


def _border(cycle: datetime, pick, *dated: datetime | None) -> tuple[datetime, bool]:
    """An end of a line: the cycle's, or the inner one of what is dated; and whether it is inner."""
    inner = pick([cycle, *(at for at in dated if at is not None)])
    return inner, inner != cycle


def _used(device: Device, bill: Bill, dials: dict) -> tuple[Register | None, Usage | None]:
    """What was used between the two reads, by the first total that both have."""
    both = [choice.read for choice in bill]
    if both[0] is None or both[1] is None:
        return None, None
    reads: list[RegisterRead] = [read for read in both if read is not None]
    for register in sorted(registers_of(reads), key=lambda r: (r[2] != "T", r[1] != "DEL")):
        values = [value_of(read, register, dials) for read in reads]
        readings = [
            Reading(device.device_id, read.time, value)
            for read, value in zip(reads, values, strict=True)
            if value is not None
        ]
        if len(readings) == len(reads):
            return register, usage(readings)
    return None, None
