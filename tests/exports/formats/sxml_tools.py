"""Writing and reading S-XML in tests: a few words instead of a context."""

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lxml import etree

from devices.readings import Frame, MeterData
from exports.formats import get
from exports.formats.base import ReadReport, Tally, WriteContext
from exports.formats.sxml import SCHEMA_PATH
from exports.formats.sxml.reader import Reader
from exports.formats.sxml.run import Run
from exports.formats.sxml.writer import FrameWriter
from tests.exports.formats.golden import GOLDEN
from tests.exports.formats.sxml_cases import CHICAGO, at

SXML = get("sxml")
SCHEMA = etree.XMLSchema(etree.parse(str(SCHEMA_PATH)))
GOLDEN_FILE: Path = GOLDEN / "sxml/autumn.xml"
CONTEXT = ("mode", "on_error", "on_unsupported", "zone", "original_batch", "groups", "part")
CONTEXT = (*CONTEXT, "receiver", "export")


def context(**words: Any) -> WriteContext:
    """A context; words that it does not know are options of the format."""
    own = {name: words.pop(name) for name in CONTEXT if name in words}
    given = {"receiver": "CIS1", "export": "CYCLE05 DAILY", "zone": CHICAGO}
    return WriteContext(
        created=at("2024-11-04T01:15:00-06:00"),
        batch_id="20241104071500",
        start=at("2024-11-03T00:00:00-05:00"),
        end=at("2024-11-04T01:00:00-06:00"),
        options=SXML.options_clean(words, "write"),
        sender="ACMEPOWER",
        system_zone=CHICAGO,
        **{**given, **own},
    )


def write(*frames: Frame, compiled: bool = True, **words: Any) -> tuple[bytes, Tally]:
    """The file and its tally, by the compiled writer or by the declared one."""
    ctx, out, tally = context(**words), io.BytesIO(), Tally()
    passed = SXML.passing(ctx, out)
    SXML.begin(ctx, passed, tally)
    for frame in frames:
        FrameWriter(frame, Run(ctx), tally, compiled=compiled).write(passed)
    SXML.finish(ctx, passed, tally)
    return out.getvalue(), tally


def valid(data: bytes) -> bool:
    """By the published schema, as any receiver would ask."""
    return bool(SCHEMA.validate(etree.fromstring(data)))


def read(data: bytes, checks: str = "strict") -> tuple[list[MeterData], ReadReport]:
    report = ReadReport()
    options = SXML.options_clean({"checks": checks}, "read")
    return list(SXML.read(io.BytesIO(data), options, None, report)), report


def read_plainly(data: bytes) -> tuple[list[MeterData], ReadReport]:
    """The same, without skimming."""
    report = ReadReport()
    reader = Reader(SXML.options_clean({}, "read"), report, skims=False)
    return list(reader.read(io.BytesIO(data))), report


def lines(data: bytes, *marks: str) -> list[str]:
    """The lines that hold one of these marks, without their indentation."""
    found = [line.strip() for line in data.decode().splitlines()]
    return [line for line in found if any(mark in line for mark in marks)]


NOW = datetime(2024, 11, 4, tzinfo=UTC)
