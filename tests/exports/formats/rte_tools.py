"""Writing and reading RTE in tests: a few words instead of a context."""

import io
from collections.abc import Sequence
from datetime import UTC, datetime

from devices.readings import Frame, MeterData
from exports.formats import get
from exports.formats.base import ReadReport, Tally, WriteContext
from exports.formats.rte import Arrivals
from exports.formats.rte.run import Run
from exports.formats.rte.writer import arrivals_write
from tests.exports.formats.rte_cases import CHICAGO

RTE = get("rte")
CONTEXT = ("mode", "on_error", "on_unsupported", "zone", "export", "batch_id", "system_zone")


def context(created: str = "2024-04-02T20:00:00+00:00", **words: object) -> WriteContext:
    """A context; words that it does not know are options of the format."""
    own = {name: words.pop(name) for name in CONTEXT if name in words}
    given = {"batch_id": "20240402200000", "export": "NEARTERM", "system_zone": CHICAGO}
    return WriteContext(
        created=datetime.fromisoformat(created),
        start=datetime(2024, 1, 1, tzinfo=UTC),
        end=datetime(2025, 1, 1, tzinfo=UTC),
        options=RTE.options_clean(words, "write"),
        **{**given, **own},  # type: ignore[arg-type]
    )


def write(
    lots: Arrivals | Sequence[Arrivals] | Frame, compiled: bool = True, **words: object
) -> tuple[bytes, Tally]:
    """The file and its tally, by the compiled writer or by the declared one."""
    ctx, out = context(**words), io.BytesIO()
    if isinstance(lots, Frame):
        tally = RTE.write([lots], ctx, out)
        return out.getvalue(), tally
    lots = [lots] if isinstance(lots, Arrivals) else lots
    if compiled:
        tally = RTE.write_arrivals(lots, ctx, out)
        return out.getvalue(), tally
    tally = Tally()
    passed = RTE.passing(ctx, out)
    RTE.begin(ctx, passed, tally)
    for lot in lots:
        arrivals_write(lot, Run(ctx), passed, tally, compiled=False)
    RTE.finish(ctx, passed, tally)
    return out.getvalue(), tally


def read(data: bytes, **options: object) -> tuple[list[MeterData], ReadReport]:
    report = ReadReport()
    clean = RTE.options_clean(options, "read")
    return list(RTE.read(io.BytesIO(data), clean, None, report)), report


def lines(data: bytes) -> list[str]:
    """A file's lines without their ends."""
    return data.decode().splitlines()
