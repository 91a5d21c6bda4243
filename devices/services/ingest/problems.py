"""What can be wrong with a batch: the codes that clients may rely on, and the list of faults."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from devices.batchform import Problem

LISTED = 100  # problems of a refused batch
LISTED_OF_METER = 10  # of a meter that is left out

# Stable: a client may act on them. `events` adds those of event checks, in capitals.
CODES = {
    # the body (devices.batchform)
    "BAD_JSON": "the body is no JSON",
    "BAD_KEY": "the batch's name is not 1 to 200 printable ASCII characters",
    "UNKNOWN_SOURCE": "no such source",
    "UNKNOWN_MEMBER": "a member that the body does not have",
    "MISSING_MEMBER": "a member that must be given",
    "BAD_TYPE": "something of another kind stands here",
    "BAD_VALUE": "not one of the words that may stand here",
    "BAD_TIME": "no ISO 8601 time",
    "NAIVE_TIME": "a time without its offset from UTC",
    "BAD_NUMBER": "no plain decimal number",
    "OUT_OF_RANGE": "a number beyond the bounds of its member",
    "NOT_FINITE": "NaN or infinity",
    # devices and channels
    "NO_DEVICE": "a meter without device, meter_number or serial_number",
    "BAD_IDENTIFIER": "an identifier that is too long or not printable ASCII",
    "UNKNOWN_DEVICE": "the inventory has no such device; on_error=meter keeps its data",
    "AMBIGUOUS_DEVICE": "several devices have this meter number or serial number",
    "FORBIDDEN_DEVICE": "the key may not feed this device, or there is none",
    "UNKNOWN_CHANNEL": "the device has no such channel",
    "AMBIGUOUS_CHANNEL": "several channels measure this unit and flow",
    "NO_ERA": "the channel was not yet, or no longer, measured so",
    "STRADDLES_ERAS": "the run crosses a change of the channel",
    "INVENTORY_MISMATCH": "what the batch says of a device or channel is not what is known",
    "UNKNOWN_UNIT": "no such unit",
    "UNKNOWN_FLOW": "no such flow, or one that the unit does not have",
    # intervals
    "NO_VALUES": "neither values nor counts, or both, or none in them",
    "LENGTH_MISMATCH": "status and values differ in number",
    "SECONDS_MISMATCH": "another interval length than the channel's",
    "BAD_SECONDS": "no interval length that is carried",
    "FRACTION": "a time with a fraction of a second",
    "MISALIGNED": "not on an interval boundary of the channel",
    "IMPLAUSIBLE_TIME": "before 2000, or more than a day ahead",
    "DUPLICATE_SLOT": "an interval that the batch has twice",
    "NOT_A_MULTIPLE": "a value that is no multiple of the channel's resolution",
    "OVERFLOW": "a number that is too large to keep",
    "UNKNOWN_STATUS": "no such status",
    "STATUS_CONFLICT": "value and status disagree",
    # registers
    "UNKNOWN_WORD": "no such read type, class, rate or source",
    "DUPLICATE_REGISTER": "a register that a read, or the batch, has twice",
    "TOO_FINE": "more decimals than are kept",
    "TOO_LONG": "a text that is too long, or not printable",
    # provisioning
    "UNKNOWN_CLASS": "no such device class",
    "UNKNOWN_ZONE": "no IANA time zone",
    "NOT_ENOUGH": "too little is said to make the channel",
}


@dataclass(slots=True)
class Faults:
    """Problems found, by the place of their meter in the batch."""

    by_meter: dict[int, list[Problem]] = field(default_factory=dict)
    count: int = 0

    def add(self, meter: int, path: str, code: str, message: str) -> None:
        """Note a problem at `meters[meter]` and, unless empty, `.path` in it."""
        place = f"meters[{meter}]" + (f".{path}" if path else "")
        self.put(meter, [Problem(place, code, message)])

    def put(self, meter: int, problems: Iterable[Problem]) -> None:
        """Note problems that have their place already."""
        found = self.by_meter.setdefault(meter, [])
        for problem in problems:
            self.count += 1
            if len(found) < LISTED:
                found.append(problem)

    def __contains__(self, meter: int) -> bool:
        return meter in self.by_meter

    def __bool__(self) -> bool:
        return bool(self.by_meter)

    def listed(self) -> list[Problem]:
        """Of a batch that is refused: the first hundred, then how many more there are."""
        every = [p for meter in sorted(self.by_meter) for p in self.by_meter[meter]]
        if self.count <= LISTED:
            return every
        more = f"{self.count - LISTED} more problems, of {len(self.by_meter)} meters in all"
        return [*every[:LISTED], Problem("", every[LISTED].code, more)]

    def refused(self) -> list[Problem]:
        """Of a batch that is taken in part: every meter that is not, with its first problems."""
        meters = sorted(self.by_meter)
        return [p for meter in meters for p in self.by_meter[meter][:LISTED_OF_METER]]
