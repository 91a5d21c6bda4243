"""What the commands of this app share: options and times as people type them."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
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
