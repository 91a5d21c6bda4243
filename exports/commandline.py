"""What the commands of this app share: options and times as people type them."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any, TextIO
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from devices.blocks import local_midnight


def parse_options(given: Sequence[str]) -> dict[str, str]:
    """`K=V` arguments as a dict. ValueError names one without `=` or given twice."""
    options: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"--option {text}: write NAME=VALUE")
        if name in options:
            raise ValueError(f"--option {name} is given twice")
        options[name] = value
    return options


def parse_zone(name: str) -> str:
    """An IANA zone's name, checked."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"--zone {name}: not an IANA time zone") from error
    return name


def parse_time(text: str, zone: str) -> datetime:
    """An aware instant: ISO with offset, or a date = local midnight in `zone`. ValueError."""
    try:
        if len(text) == 10:
            return datetime.fromtimestamp(local_midnight(zone, date.fromisoformat(text)), UTC)
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is neither a date nor an ISO time") from error
    if when.tzinfo is None:
        raise ValueError(f"{text}: give an offset, e.g. {text}Z or {text}-05:00")
    return when


def report_print(report: dict[str, Any], out: TextIO, errors: TextIO, as_json: bool) -> None:
    """What a run has made, for people or as one JSON object; warnings of the former to `errors`."""
    if as_json:
        out.write(json.dumps(report) + "\n")
        return
    for line in report["warnings"]:
        errors.write(f"warning: {line}\n")
    if report["status"] == "empty":
        out.write("Nothing to send.\n")
    elif not report["files"]:
        out.write("No file made.\n")
    for made in report["files"]:
        out.write(
            f"{made['path']}: {report['meters']:,} meters, {report['records']:,} records, "
            f"{report['intervals']:,} intervals ({report['missing']:,} missing), "
            f"{report['registers']:,} register reads, {made['bytes']:,} bytes\n"
            f"sha256 {made['sha256']}\n"
        )
