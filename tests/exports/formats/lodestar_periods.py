"""Days of many zones, drawn for property tests."""

from datetime import date
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from exports.formats.zones import midnight, standard_offset

NAMES = {
    "America/Chicago": None,  # has a name of its own
    "America/Havana": "CUB",
    "America/Santiago": "CHL",
    "America/St_Johns": "NST",
    "Australia/Lord_Howe": "LHI",
    "Asia/Kolkata": "IST",
    "Asia/Beirut": "EET",
    "Europe/Dublin": "IRL",
    "Africa/Casablanca": "WET",
    "Pacific/Apia": "WST",
    "America/Caracas": "VET",
}
ZONE_NAME = ";".join(f"{zone}={name}" for zone, name in NAMES.items() if name)
DAYS = [
    *("2024-01-15", "2024-02-29", "2024-03-10", "2024-11-03", "2024-12-31"),
    *("2024-03-31", "2024-10-27", "2024-04-07", "2024-10-06", "2011-12-29", "2007-12-08"),
    *("2024-09-08", "2024-04-06", "2016-05-01", "2024-03-09", "2024-11-02"),
]


class Period(NamedTuple):
    """Slots of a zone's days: ends on the zone's grid within (start, end]."""

    zone: str
    seconds: int
    start: int
    ends: np.ndarray


@st.composite
def periods(draw: st.DrawFn, lengths: tuple[int, ...], border: bool = False) -> Period:
    """Whole days unless they may be cut at any slot."""
    zone = draw(st.sampled_from(list(NAMES)))
    seconds = draw(st.sampled_from(lengths))
    first = date.fromisoformat(draw(st.sampled_from(DAYS))).toordinal()
    days = draw(st.integers(1, 3)) if seconds >= 300 else 1
    start, end = midnight(zone, first), midnight(zone, first + days)
    offset = standard_offset(zone, date.fromordinal(first).year)
    ends = np.arange(start - (start + offset) % seconds + seconds, end + 1, seconds)
    if not border and draw(st.integers(0, 4)) == 0:
        ends = ends[draw(st.integers(0, max(0, len(ends) - 1))) :]
    return Period(zone, seconds, start, ends)
