"""Register reads made up by hypothesis: any that the store may hold, within what a file carries."""

from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import strategies as st

from devices.readings import (
    FLOWS,
    RATES,
    READ_TYPES,
    REGISTER_CLASSES,
    SOURCES,
    UNITS,
    DeviceInfo,
    RegisterRead,
    RegisterValue,
    Status,
)

ASCII = st.characters(min_codepoint=0x20, max_codepoint=0x7E)
INSTANTS = st.datetimes(datetime(2000, 1, 2), datetime(2037, 1, 1)).map(  # noqa: DTZ001
    lambda time: time.replace(microsecond=0, tzinfo=UTC)
)
MASKS = st.integers(0, 0x1FFF).filter(lambda mask: not mask & Status.MISSING)
LETTERS = st.sampled_from([0, Status.ESTIMATED, Status.EDITED, Status.QUESTIONABLE])
ZONES = st.sampled_from(["America/Chicago", "UTC", "Australia/Lord_Howe", "Asia/Kolkata"])


def identifiers(width: int, least: int = 0) -> st.SearchStrategy[str]:
    """Printable ASCII without outer blanks."""
    return st.text(ASCII, min_size=least, max_size=width).filter(lambda text: text == text.strip())


def numbers(digits: int = 10, decimals: int = 4) -> st.SearchStrategy[Decimal]:
    whole = st.integers(-(10**digits) + 1, 10**digits - 1)
    return st.builds(lambda n, scale: Decimal(n).scaleb(-scale), whole, st.integers(0, decimals))


DEVICES = st.builds(
    DeviceInfo,
    device_id=identifiers(20, 1),
    meter_number=identifiers(20, 1),
    serial_number=identifiers(24),
    service_point_id=identifiers(24),
    account_id=identifiers(20),
    device_class=identifiers(10),
    time_zone=ZONES,
    bill_cycle=identifiers(12),
    groups=st.just(()),
    **dict.fromkeys(("premise_id", "transformer_id", "feeder_id"), st.just("")),
)
SMALL = st.none() | st.integers(0, 99)


@st.composite
def values(draw: st.DrawFn, number: int, occurrences: int = 1, wide: bool = False) -> RegisterValue:
    """`wide`: one that RDE's rows take, of multiplier 1 and with a direction, rates T to D."""
    name = draw(st.sampled_from(list(REGISTER_CLASSES)))
    unit = draw(st.sampled_from(list(UNITS)))
    missing = draw(st.booleans()) and draw(st.booleans())
    status = int(Status.MISSING) if missing else int(draw(MASKS))
    return RegisterValue(
        name,
        unit,
        draw(st.sampled_from(list(FLOWS)[: 4 if wide else 8])) if UNITS[unit].directed else "DEL",
        rate=draw(st.sampled_from(RATES[: 5 if wide else 9])),
        value=None if missing else draw(numbers()),
        number=number,
        occurrence=draw(st.integers(1, occurrences)),
        peak_time=draw(st.none() | INSTANTS) if name in ("MAX", "COIN") else None,
        multiplier=Decimal(1) if wide else draw(numbers(6)).copy_abs() + Decimal("0.0001"),
        multiplier_applied=wide or draw(st.booleans()),
        dials=draw(SMALL),
        decimals=draw(SMALL),
        status=status,
        source=draw(st.sampled_from(["", "ED"])),
    )


@st.composite
def reads(draw: st.DrawFn, occurrences: int = 1, wide: bool = False) -> RegisterRead:
    found = [draw(values(n + 1, occurrences, wide)) for n in range(draw(st.integers(1, 6)))]
    unique = {value.key: value for value in found}
    return RegisterRead(
        draw(INSTANTS),
        draw(st.sampled_from(list(READ_TYPES))),
        tuple(unique.values()),
        season=draw(SMALL),
        reset_count=draw(st.none() | st.integers(0, 99999)),
        reset_time=draw(st.none() | INSTANTS),
        status_word=draw(st.sampled_from(["", "0", "1F", "A0000000"])),
        source=draw(st.sampled_from([code for code in SOURCES.values() if code != "ED"])),
        received=draw(st.none() | INSTANTS),
        read_id=draw(st.sampled_from(["", "551902", "999999999999999999"])),
        revision=draw(st.integers(0, 999)),
    )


def meters_reads(occurrences: int = 1, wide: bool = False) -> st.SearchStrategy[list[RegisterRead]]:
    """The reads of one meter, no two of one type and time."""
    return st.lists(reads(occurrences, wide), min_size=1, max_size=3).map(
        lambda found: list({(read.time, read.read_type): read for read in found}.values())
    )
