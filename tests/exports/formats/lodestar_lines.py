"""Cuts as text, for tests of the LodeStar reader."""

from collections.abc import Sequence
from datetime import UTC, datetime

from devices.readings import Status
from tests.exports.formats.golden import GOLDEN
from tests.exports.formats.lodestar_tools import read, values_of

MAP = {"channel_map": "KWH DEL=1;KWH REC=2;KVARH DEL=3"}
HEADS = (
    "00000001,MTR-1,1,20240115000000,20240115035959,Y,N",
    "00000002,,,1,0,1,0,3600,01,,12,,,CST6CDT",
    "00000003,KWH DEL",
    "00000004,20240116041500,M",
)
VALUES = "10000000,1.000, ,,2.000,E,,0,9,,4.000,A,"
START = datetime(2024, 1, 15, 6, tzinfo=UTC)


def cut(*changed: str, values: str | Sequence[str] = VALUES) -> str:
    """A cut of four hours; a record given stands for the header record of its sort code."""
    heads = {line[:8]: line for line in HEADS} | {line[:8]: line for line in changed}
    records = [values] if isinstance(values, str) else values
    return "".join(f"{line}\r\n" for line in (*heads.values(), *records))


def golden(name: str) -> bytes:
    return (GOLDEN / f"lodestar/{name}.lse").read_bytes()


OWN = {"status_estimated": "e", "status_edited": "V", "status_questionable": "q"}


def masks(text: str, **options: object) -> list[int]:
    """Of the only cut, without an error."""
    meters, report = read(text, **(MAP | options))
    assert not report.errors
    return [mask for _, mask in values_of(meters[0]).values()]


MISSING, ESTIMATED, EDITED = (int(bit) for bit in (Status.MISSING, Status.ESTIMATED, Status.EDITED))
QUESTIONABLE, RAW = int(Status.QUESTIONABLE), int(Status.RAW)
