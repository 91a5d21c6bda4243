"""What can be wrong: refusals of a writer (README 2.17) and the findings of a reader (2.18)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, NamedTuple

# README 2.17, in its words.
REFUSALS: dict[str, str] = {
    "FMT01": "time without zone: {time}",
    "FMT02": "time {time} is finer than the format carries ({limit})",
    "FMT03": "interval end {time} is not on the {seconds}-second grid",
    "FMT04": "duplicate or overlapping interval {time}",
    "FMT05": "{field}: character U+{char} cannot be written",
    "FMT06": "{field}: {length} characters, at most {width}",
    "FMT07": "{field}: number {value} does not fit {width} characters",
    "FMT08": "unit {unit} (flow {flow}) has no code in this format",
    "FMT09": "negative value {value} not allowed",
    "FMT10": "value is not a finite number",
    "FMT11": "{field}: forbidden character {char} (comma, quote, CR, LF, control)",
    "FMT12": "value and missing mark disagree: {why}",
    "FMT13": "flow {flow} not carried by this format",
    "FMT14": "register class {register_class} or rate {rate} not carried",
    "FMT15": "time zone unknown, or local time does not exist/cannot be expressed: {time}",
    "FMT16": "file name refused: {name}",
    "FMT17": "interval length {seconds} s not carried",
    "FMT18": "period is not a whole number of intervals",
}
# What a format cannot carry at all, whatever the value: a run goes on without it when told so.
UNSUPPORTED = frozenset({"FMT08", "FMT13", "FMT14", "FMT17"})
ISSUES_KEPT = 1000


class FormatError(ValueError):
    """A refusal. What is known where it is raised is set there; `at` adds the rest on the way up.

    Rendered `<code> <FORMAT> <meter>/<channel or register> <instant>: <text>` (README 2.17).
    """

    def __init__(
        self,
        code: str,
        text: str,
        *,
        format: str = "",
        meter: str = "",
        where: str = "",
        instant: datetime | None = None,
    ) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text
        self.format = format
        self.meter = meter
        self.where = where
        self.instant = instant

    def at(
        self,
        *,
        format: str = "",
        meter: str = "",
        where: str = "",
        instant: datetime | None = None,
    ) -> FormatError:
        """The same error; places not known so far are filled in."""
        self.format = self.format or format
        self.meter = self.meter or meter
        self.where = self.where or where
        self.instant = self.instant or instant
        return self

    def __str__(self) -> str:
        place = "/".join(part for part in (self.meter, self.where) if part)
        time = "" if self.instant is None else f"{self.instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        words = [self.code, self.format.upper(), place, time]
        return " ".join(word for word in words if word) + f": {self.text}"


def refusal(code: str, **words: object) -> FormatError:
    """The common refusal `code` with its text's places filled in."""
    return FormatError(code, REFUSALS[code].format(**words))


class ReadIssue(NamedTuple):
    """A reader's finding. `record` counts from 1, `offset` is the record's first byte."""

    level: Literal["error", "warning"]
    code: str
    message: str
    record: int
    offset: int
    field: str = ""

    def __str__(self) -> str:
        place = f"record {self.record}, byte {self.offset}"
        return (
            f"{self.level} {self.code}, {place}{', ' + self.field if self.field else ''}: "
            f"{self.message}"
        )


class ReadStopped(Exception):
    """Ends a reading at its first error, where the caller asked for that."""


@dataclass(slots=True)
class ReadReport:
    """What a reader found. Counts are complete; the issues kept are the first thousand."""

    on_error: Literal["record", "file"] = "record"
    records: int = 0
    errors: int = 0
    warnings: int = 0
    issues: list[ReadIssue] = field(default_factory=list)
    codes: Counter[str] = field(default_factory=Counter)

    def error(self, code: str, message: str, *, record: int, offset: int, field: str = "") -> None:
        """Notes that a record or the file is refused."""
        self.errors += 1
        self._keep(ReadIssue("error", code, message, record, offset, field))
        if self.on_error == "file":
            raise ReadStopped

    def warn(self, code: str, message: str, *, record: int, offset: int, field: str = "") -> None:
        """Notes something odd that was accepted."""
        self.warnings += 1
        self._keep(ReadIssue("warning", code, message, record, offset, field))

    def take(self, other: ReadReport) -> None:
        """What a reading without errors found."""
        self.records += other.records
        self.warnings += other.warnings
        self.codes += other.codes
        self.issues += other.issues[: max(0, ISSUES_KEPT - len(self.issues))]

    def _keep(self, issue: ReadIssue) -> None:
        self.codes[issue.code] += 1
        if len(self.issues) < ISSUES_KEPT:
            self.issues.append(issue)
