"""Pure: file names from patterns with macros (formats/README 2.15)."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

MAX_BYTES = 200
_MACRO = re.compile(r"\{([a-z]+)(?::([^{}]*))?\}")
_DATES = {
    "yyyy": "%Y",
    "MM": "%m",
    "dd": "%d",
    "HH": "%H",
    "mm": "%M",
    "ss": "%S",
}
_PATTERN = re.compile("yyyy|MM|dd|HH|mm|ss|fff")
_FORBIDDEN = re.compile(r"[^A-Za-z0-9._-]")


class NameRefused(ValueError):
    """A pattern that makes no file name (FMT16)."""


MACROS = (
    *("format", "export", "meter", "sender", "receiver", "group", "cycle", "batch", "mode"),
    *("route", "part", "ext", "count", "seq", "date", "time", "utc", "from", "to"),
)


def pattern_check(pattern: str) -> None:
    """NameRefused for a pattern that could make no file name, whatever the values."""
    when = datetime(2026, 1, 1, tzinfo=UTC)
    values = dict.fromkeys(MACROS, "X")
    file_name(pattern, values, created=when, start=when, end=when, zone="UTC", seq=1)


def file_name(
    pattern: str,
    values: Mapping[str, str],
    *,
    created: datetime,
    start: datetime,
    end: datetime,
    zone: str,
    seq: int | None = None,
) -> str:
    """The name that a pattern gives. Every value is sanitised; NameRefused names what is wrong.

    `values`: the plain macros (format, export, meter, sender, …). `zone`: of {date} and {time},
    {from} and {to}; {utc} is UTC.
    """
    local = ZoneInfo(zone)
    dates = {
        "date": created.astimezone(local),
        "time": created.astimezone(local),
        "utc": created.astimezone(UTC),
        "from": start.astimezone(local),
        "to": end.astimezone(local),
    }
    default = {"date": "yyyyMMdd", "time": "HHmmss", "utc": "yyyyMMddHHmmss"}

    def value(match: re.Match[str]) -> str:
        name, argument = match.group(1), match.group(2)
        if name in dates:
            return _date(dates[name], argument or default.get(name, "yyyyMMdd"))
        if name == "seq" and seq is not None:
            return str(seq).zfill(int(argument)) if (argument or "").isdigit() else str(seq)
        if name not in values:
            raise NameRefused(f"FMT16 file name: {{{name}}} has no value here")
        return _FORBIDDEN.sub("_", values[name])

    name = _MACRO.sub(value, pattern)
    if ".." in name or "/" in name or "\\" in name or not name.strip("._"):
        raise NameRefused(f"FMT16 file name refused: {name!r}")
    if _FORBIDDEN.search(name):
        raise NameRefused(f"FMT16 file name refused: {name!r} (A-Z a-z 0-9 . _ - only)")
    if len(name.encode()) > MAX_BYTES:
        raise NameRefused(f"FMT16 file name of {len(name.encode())} bytes, at most {MAX_BYTES}")
    return name


def _date(when: datetime, pattern: str) -> str:
    def part(match: re.Match[str]) -> str:
        word = match.group(0)
        return f"{when.microsecond // 1000:03}" if word == "fff" else when.strftime(_DATES[word])

    return _FORBIDDEN.sub("_", _PATTERN.sub(part, pattern))
