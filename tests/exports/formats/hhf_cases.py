"""The worked examples of HHF-X1's specification (section 6)."""

from dataclasses import replace
from decimal import Decimal

import numpy as np

from devices.readings import Arrival, Frame, RegisterRead, RegisterValue, Status
from tests.exports.formats.mv90_cases import Case, quarters
from tests.exports.formats.records216_tools import METER, MISSING, at, frame, sheet

WORDS = {
    "producing_system": "TMS-EXPORT",
    "reader_id": "READER01",
    "route": "ROUTE-07",
}
# The clocks of the examples, which the model does not have: the meter's is three seconds ahead.
CLOCKS = b"2024030200100320240302001000"


def registers(stop: str, value: str) -> list[RegisterRead]:
    """Readings of register 1 at the period's borders."""
    return [
        RegisterRead(
            at(time),
            "CUR",
            (
                RegisterValue(
                    *("SUM", "KWH", "DEL"), number=1, value=Decimal(number), dials=5, decimals=3
                ),
            ),
            received=at("202403020010"),
        )
        for time, number in (("202403010000", "1000"), (stop, value))
    ]


def day() -> Frame:
    return frame(sheet(quarters(96), {40: MISSING}), reads=registers("202403020000", "1996"))


def flags() -> Frame:
    """Example 3: 22 intervals, one estimated, one of 0.5 short with an outage."""
    counts = quarters(22)
    counts[9] = 50
    masks = {4: int(Status.ESTIMATED), 9: int(Status.POWER_OUTAGE | Status.SHORT)}
    one = sheet(counts, masks)
    numbers = np.full((1, 22), 7)
    numbers[0, 21] = 8
    arrived = {
        7: Arrival(at("202403010600"), "SC"),
        8: Arrival(at("202403020010"), "SC"),
    }
    reads = {0: registers("202403010530", "1218")}
    return Frame([METER], [replace(one, numbers=numbers)], reads, arrivals=arrived)


CASES = [
    Case(
        "1_day_register_event",
        day(),
        WORDS,
        2160,
        "40e25900e21a017b37a3e34e2671f321cdeb6b46a2246a27f8bc2eb00d868af7",
    ),
    Case(
        "2_pulses",
        day(),
        WORDS | {"value_kind": "P", "pulse_multipliers": "KWH=0.25"},
        2160,
        "d9c0b6c0892c45179e839f744274770567f6f075174a68da078803f0ccb6b2ef",
    ),
    Case(
        "3_fill_flags",
        flags(),
        WORDS | {"end": at("202403010530"), "registers": "no", "events": "no"},
        1080,
        "3951f8a6baee3a7255cf1ebf15a8cb97d4e091202e24b6b8194a5bf6223928bf",
    ),
]
