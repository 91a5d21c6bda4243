"""CMEP lines made by hand, and what reading them gives."""

from decimal import Decimal

from devices.readings import (
    Channel,
    MeterData,
    Status,
    epoch,
)
from exports.formats.base import Inventory
from tests.exports.formats.cmep_cases import CASES, FIRST, minute
from tests.exports.formats.cmep_tools import read, values_of
from tests.exports.formats.golden import GOLDEN

A = (GOLDEN / "cmep/a_validated.txt").read_bytes()
HEAD = b"MEPMD01,19970819,1,2,3,4,202603150610,E1,OK,E,KWH,1,00000015,"
MISSING, RAW, QUESTIONABLE = int(Status.MISSING), int(Status.RAW), int(Status.QUESTIONABLE)


def record(*triplets: str, **fields: str) -> bytes:
    """A line with these triplets `MMDDHHMM flag value` of 2026 and these header fields."""
    cells = {
        "type": "MEPMD01",
        "version": "19970819",
        "sender": "1",
        "sender_customer": "2",
        "receiver": "3",
        "receiver_customer": "4",
        "stamp": "202603150610",
        "meter": "E1",
        "purpose": "OK",
        "commodity": "E",
        "units": "KWH",
        "constant": "1",
        "interval": "00000015",
        "count": str(len(triplets)),
    }
    parts = [f"2026{text.lstrip()}" if text.lstrip()[:1].isdigit() else text for text in triplets]
    return (",".join([*(cells | fields).values(), *parts]) + "\r\n").encode()


def masks(meter: MeterData) -> list[int]:
    return [mask for _, mask in values_of(meter).values()]


def values(meter: MeterData) -> list[object]:
    return [value for value, _ in values_of(meter).values()]


def one(data: bytes, *codes: str, **options: str) -> MeterData:
    """The only meter; the report holds these warnings and no error."""
    [meter], report = read(data, **options)
    assert report.errors == 0, report.issues
    assert sorted(report.codes.elements()) == sorted(codes)
    return meter


def refused(data: bytes, code: str, field: str = "", **options: str) -> str:
    """The record is refused with this code; a good one after it is read. Gives the message."""
    meters, report = read(data + A, **options)
    assert [meter.device.meter_number for meter in meters] == ["E10293847"]
    [issue] = [issue for issue in report.issues if issue.level == "error"]
    assert (issue.code, issue.record, issue.offset) == (code, 1, 0)
    assert not field or issue.field == field
    return issue.message


EXAMPLE_A = {epoch(minute(FIRST)) + 900 * k: v for k, v in enumerate(values(CASES[0].meter))}


def known(*channels: tuple[str, str, int], offset: int | None = 0, zone: str = "") -> Inventory:
    """An inventory whose every device has these channels."""
    return lambda meter: [
        Channel(number, unit, flow, seconds, "U", Decimal(1), grid_offset=offset, zone=zone)
        for number, (unit, flow, seconds) in enumerate(channels, start=1)
    ]
