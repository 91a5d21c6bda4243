"""What MV-90 writes: identities, the meter header and the channel headers of one run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any

from devices.readings import DeviceInfo, Frame
from exports.formats.binary import Pointed
from exports.formats.context import Tally, WriteContext
from exports.formats.kinds import MINUTE
from exports.formats.layout import Record
from exports.formats.mv90.tables import (
    CHANNEL_HEADER,
    CHANNELS,
    ERRORS,
    METER,
    NO_READING,
    WARNINGS,
)
from exports.formats.options import OptionError
from exports.formats.records216.book import IDENTIFIERS, Book, Gaps
from exports.formats.records216.borders import Reading, border_readings
from exports.formats.records216.plan import Lane, Meter
from exports.formats.records216.units import PER_HOUR

RECID, METERID = CHANNEL_HEADER.field("DC_RECID"), CHANNEL_HEADER.field("DC_METERID")
START_READING, STOP_READING = CHANNEL_HEADER.field("STRTMTR"), CHANNEL_HEADER.field("STOPMTR")
CUSTID, ACCOUNT = METER.field("CM_CUSTID"), METER.field("CM_ACCOUNT")
OWN = ("DC_CUSTID", "DC_RECID", "DC_METERID", "STRTMTR", "STOPMTR")
OF_METER = ("CM_CUSTID", "CM_NAME", "CM_ADDR1", "CM_ADDR2", "CM_ACCOUNT")
PLACES = {"CM_NAME": "name", "CM_ADDR1": "addr1", "CM_ADDR2": "addr2"}
NUMBER = Pointed()


def physical_channels(given: Mapping[str, str] | None) -> dict[int, int]:
    """Logical → physical channel numbers. OptionError."""
    found = {}
    for logical, physical in (given or {}).items():
        numbers = (logical, physical)
        if not all(n.isascii() and n.isdigit() and int(n) in CHANNELS for n in numbers):
            raise OptionError("physical", f"option physical: {logical}={physical}: 1 to 99")
        found[int(logical)] = int(physical)
    return found


class Mv90Book(Book):
    format = "mv90"
    errors, warnings = ERRORS, WARNINGS
    most_channels = CHANNELS[-1]

    def __init__(self, ctx: WriteContext) -> None:
        super().__init__(ctx)
        options = ctx.options
        self.physical = physical_channels(options["physical"])
        self.attribute = SORTED_BY[options["custid"]]
        self.byte92 = (options["byte92"] or "N").encode("ascii")
        self._recid = attrgetter(IDENTIFIERS[options["recid"]])
        label = options["meterid"] == "label"
        self._meterid = None if label else attrgetter(IDENTIFIERS[options["meterid"]])
        self._lines = [
            (METER.field(name), _getter(options[option])) for name, option in PLACES.items()
        ]
        self._templates: dict[tuple[Any, ...], bytes] = {}

    @staticmethod
    def custid(device: DeviceInfo, options: Mapping[str, Any]) -> str:
        """The text of CM_CUSTID."""
        return str(getattr(device, IDENTIFIERS[options["custid"]]))

    # --- meters ---------------------------------------------------------------------------------
    def key(self, device: DeviceInfo) -> tuple[str, str]:
        return getattr(device, self.attribute), self.custid(device, self.options)

    def name(self, device: DeviceInfo) -> str:
        return self.custid(device, self.options)

    def identity(self, device: DeviceInfo, tally: Tally) -> tuple[bytes, ...]:
        custid = self.identifier(CUSTID, self.custid(device, self.options), tally)
        recid = self.identifier(RECID, self._recid(device), tally)
        meterid = b""
        if self._meterid is not None:
            meterid = self.identifier(METERID, self._meterid(device), tally)
        return custid, recid, meterid

    # --- records --------------------------------------------------------------------------------
    def around(
        self, frame: Frame, meter: Meter, gaps: Gaps, tally: Tally, declared: bool
    ) -> tuple[bytes, bytes]:
        """The meter header; nothing comes after the channels."""
        own = (meter.ids[0], *self._names(meter.info, tally), self._account(meter.info))
        if declared:
            return METER.put(self._shared(meter) | _texts(METER, OF_METER, own)), b""
        key = (meter.span, len(meter.lanes))
        template = self._templates.get(key)
        if template is None:
            template = self._templates[key] = METER.template(self._shared(meter))
        return template % own, b""

    def _shared(self, meter: Meter) -> dict[str, Any]:
        """What the headers of meters of one span and number of channels share."""
        return {**self._period(meter), "CM_LOGCHANS": len(meter.lanes), "DST_FLAG": "N"}

    def _account(self, device: DeviceInfo) -> bytes:
        text = device.account_id if self.options["account"] else ""
        if len(text) > ACCOUNT.size:
            words = {"length": len(text), "width": ACCOUNT.size}
            raise self.refusal("long", field=ACCOUNT.name, **words)
        return ACCOUNT.put(text)

    def _names(self, device: DeviceInfo, tally: Tally) -> Iterator[bytes]:
        """Name and address lines."""
        for field, get in self._lines:
            yield field.put(self._name(get(device), field.name, tally) if get else "")

    def _name(self, text: str, field: str, tally: Tally) -> str:
        """The text as Windows-1252 carries it, at most 20 characters."""
        carried = text.encode("cp1252", errors="replace").decode("cp1252", errors="replace")
        if carried != text:
            tally.warn(self.warning("character"), f"{field} {text!r}")
        if len(carried) > 20:
            tally.warn(self.warning("name"), f"{field} {text!r}")
        return carried[:20]

    def _period(self, meter: Meter) -> dict[str, int]:
        span = meter.span
        return {
            "TA_START": span.start + span.offset + MINUTE,
            "TA_STOP": span.stop + span.offset,
        }

    def channel(
        self, frame: Frame, meter: Meter, lane: Lane, tally: Tally, declared: bool
    ) -> bytes:
        start, stop = border_readings(frame, meter, lane)
        tally.registers += (start is not None) + (stop is not None)
        label = self._meterid is None
        own = (
            meter.ids[0],
            meter.ids[1],
            METERID.put(lane.target.label) if label else meter.ids[2],
            _reading(start, START_READING.name),
            _reading(stop, STOP_READING.name),
        )
        if declared:
            texts = {
                name: CHANNEL_HEADER.field(name).kind.get(data)
                for name, data in zip(OWN, own, strict=True)
            }
            return CHANNEL_HEADER.put(self._values(meter, lane) | texts)
        key = (id(lane.target), lane.number, meter.span)
        template = self._templates.get(key)
        if template is None:
            template = CHANNEL_HEADER.template(self._values(meter, lane))
            self._templates[key] = template
        return template % own

    def _values(self, meter: Meter, lane: Lane) -> dict[str, Any]:
        """What the channel headers of one target, number and span share."""
        target = lane.target
        return {
            **self._period(meter),
            "reserved_92": self.byte92,
            "DC_PYSCHAN": self.physical.get(lane.number, lane.number),
            "DC_LOGCHAN": lane.number,
            "DC_UMCODE": target.code,
            "CHANSTAT": "Y",
            "INTSTAT": "Y",
            "DC_MMULT": target.multiplier,
            "DC_SERVTYPE": self.options["serv_type"] or ("W" if target.usage else "D"),
            "DR_INPHR": PER_HOUR[target.seconds],
            "TD_STATUS": "AC",
            "DC_FLOW": target.letter,
        }


# Several meters may share an account: their devices tell them apart.
SORTED_BY = {"DeviceID": "device_id", "MeterNumber": "meter_number", "AccountID": "device_id"}


def _getter(identifier: str) -> Callable[[DeviceInfo], str] | None:
    return attrgetter(IDENTIFIERS[identifier]) if identifier in IDENTIFIERS else None


def _texts(record: Record, names: Sequence[str], own: Sequence[bytes]) -> dict[str, Any]:
    """Fields already put, as values again: for the declared writer."""
    return {name: record.field(name).kind.get(data) for name, data in zip(names, own, strict=True)}


def _reading(reading: Reading | None, name: str) -> bytes:
    if reading is None:
        return NO_READING
    return NUMBER.put(reading.value, name, len(NO_READING))
