"""The examples of the MRC specification, section 5, as messages."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

from exports.formats import mrc

SUMMER, WINTER = (timezone(timedelta(hours=hours)) for hours in (-5, -6))
PLACE = ("00123456", "SP-998877", "SSI0004711", "TX-5521", "FDR-12", "CYCLE05")
OUTAGE = mrc.Message(
    *(90017, "PWR_OUTAGE", "T", None, "26.26.0.85", "Outage", "OUTG", "A", "S", *PLACE),
    time=datetime(2024, 4, 2, 14, 31, 7, tzinfo=SUMMER),
    received=datetime(2024, 4, 2, 14, 31, 19, tzinfo=SUMMER),
    text="Last gasp: primary power lost",
)
RESTORE = mrc.Message(
    *(90023, "PWR_RESTORE", "T", None, "26.26.0.216", "Restoration", "OUTG", "I", "C", *PLACE),
    time=datetime(2024, 4, 2, 14, 52, 30, tzinfo=SUMMER),
    received=datetime(2024, 4, 2, 14, 52, 41, tzinfo=SUMMER),
    duration=1283,
    text="Module reports power back",
)
SAG = mrc.Message(
    *(90031, "V_SAG_END", "M", 2061, "3.26.38.224", "Other", "PQLT", "I", "C", *PLACE),
    time=datetime(2024, 11, 3, 1, 30, tzinfo=WINTER),
    received=datetime(2024, 11, 3, 2, 5, 12, tzinfo=WINTER),
    phases="A",
    value=Decimal("101.4"),
    unit="V",
    duration=12,
    replay="D",
    text="Voltage sag over",
)
UNKNOWN = mrc.Message(
    *(7, "MFG_00999", "M", 999, "", "Other", "CONF", "I", "P", "1", "", "D1", "", "", ""),
    time=datetime(2024, 4, 2, 19, 31, 7, 999999, tzinfo=UTC),
    received=datetime(2024, 4, 2, 19, 31, 19, tzinfo=UTC),
    value=Decimal("-0.0005"),
)
# Golden files: first sequence, messages, SHA-256 as the specification gives it.
FILES = {
    "outage": (42, (OUTAGE,), "d95db59d5cb84e282e72e13087c377b23661ef4274f0848de01197ded333f779"),
    "outage_and_restoration": (
        *(42, (OUTAGE, RESTORE)),
        "081e7819dd6fff1f53e92d890c0317043f9dcd3271782adf03b6c828d8652274",
    ),
    "late_sag": (44, (SAG,), "b24bb43c183cc3f5ba1882e08b900a33ec20fd049a4c9660f6548f25dc13e7e1"),
    "unknown": (1, (UNKNOWN,), None),
}


def lines(first: int, messages: tuple[mrc.Message, ...]) -> list[bytes]:
    """The records of messages, numbered from `first` on."""
    return [mrc.record(first + n, mrc.body(message)) for n, message in enumerate(messages)]
