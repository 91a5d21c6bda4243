"""The worked examples of the MV-90 specification (section 8)."""

from typing import Any, NamedTuple

from devices.readings import Frame, Status
from tests.exports.formats.records216_tools import (
    CENTRAL,
    LETTERHEAD,
    METER,
    MISSING,
    at,
    frame,
    reads,
    sheet,
)


class Case(NamedTuple):
    """An example: its data, the context's words, and what is known of its file."""

    name: str
    data: Frame
    words: dict[str, Any]
    bytes: int
    sha256: str
    zone: str = "America/New_York"


def quarters(size: int) -> list[int]:
    """Value k = 10 + 0.25·(k mod 4), as counts of 0.01."""
    return [1000 + 25 * (k % 4) for k in range(size)]


def spring() -> Frame:
    """Example 3: hourly values k = 1 + 0.5·(k mod 3) of a day of 23 hours, with flags."""
    counts = [100 + 50 * (k % 3) for k in range(23)]
    counts[7], counts[8] = 0, 25
    masks = {
        4: int(Status.ESTIMATED),
        7: int(Status.POWER_OUTAGE),
        8: int(Status.POWER_OUTAGE | Status.SHORT),
        12: int(Status.EDITED),
        20: MISSING,
    }
    start = {"start": "202403100000", "zone": CENTRAL, "seconds": 3600, "grid_offset": -21600}
    readings = reads(("202403100000", "1996"), ("202403102300", "2024.75"), zone=CENTRAL)
    device = METER._replace(time_zone="America/Chicago")
    return frame(sheet(counts, masks, **start), device=device, reads=readings)


CASES = [
    Case(
        "1_day_one_missing",
        frame(
            sheet(quarters(96), {40: MISSING}),
            reads=reads(("202403010000", "1000"), ("202403020000", "1996")),
        ),
        LETTERHEAD,
        1512,
        "1ac58040dd1f0a67fdcc0ceb2ddb2349b9d782a08314d6bfe532391e5a0c92d8",
    ),
    Case(
        "2_fill",
        frame(
            sheet(quarters(22)),
            reads=reads(("202403010000", "1000"), ("202403010530", "1227.75")),
        ),
        LETTERHEAD | {"end": at("202403010530")},
        864,
        "3cbb687b8820d26cae3c58154d437ac066fd5d282615bb449950d9fa420fc97b",
    ),
    Case(
        "3_spring_day_flags",
        spring(),
        LETTERHEAD
        | {
            "start": at("202403100000", CENTRAL),
            "end": at("202403102300", CENTRAL),
            "created": at("202403110015", CENTRAL),
        },
        864,
        "c765cb018ec19912cb014379d5a401f9b6c47ebbd7c8d1424dd90de7c579ed35",
        "America/Chicago",
    ),
]
