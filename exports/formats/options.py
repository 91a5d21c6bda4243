"""Options of a format, declared as a table: what a definition, a form or a command may set.

A declaration is enough to check a value, to draw a form field and to print the documentation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

Options = dict[str, Any]
OptionKind = Literal["choice", "yes_no", "integer", "decimal", "text", "zone", "map"]
Use = Literal["write", "read", "both"]

YES = ("yes", "true", "on", "1")
NO = ("no", "false", "off", "0", "")


class OptionError(ValueError):
    """An unknown option, or a value that an option does not take. `option` is its name."""

    def __init__(self, option: str, message: str) -> None:
        super().__init__(message)
        self.option = option


@dataclass(frozen=True, slots=True)
class Option:
    """One setting of a format. `default` None means: not set, the format then decides.

    Kinds and the type of their clean value: choice str, yes_no bool, integer int (`minimum` to
    `maximum`), decimal Decimal, text str (`maximum` characters), zone str (IANA name),
    map dict[str, str] (written `KEY=VALUE;KEY=VALUE`).
    """

    name: str
    kind: OptionKind
    default: Any
    help: str
    use: Use = "write"
    choices: tuple[str, ...] = ()
    minimum: int | None = None
    maximum: int | None = None

    def clean(self, value: object) -> Any:
        """The checked value; empty text or None gives the default. OptionError if not allowed."""
        if value is None or (isinstance(value, str) and not value.strip()):
            return self.default
        cleaned = _CLEANERS[self.kind](self, value)
        if cleaned is None:
            raise OptionError(
                self.name, f"option {self.name}: {value!r} is not allowed; {self.allowed}"
            )
        return cleaned

    @property
    def allowed(self) -> str:
        """What may stand here, in words."""
        if self.kind == "choice":
            return "one of " + ", ".join(self.choices)
        if self.kind == "integer":
            return f"a whole number {self.minimum} to {self.maximum}"
        if self.kind == "text":
            return "a text" + (f" of at most {self.maximum} characters" if self.maximum else "")
        return {
            "yes_no": "yes or no",
            "decimal": "a decimal number",
            "zone": "a time zone's name, such as America/Chicago",
            "map": "KEY=VALUE;KEY=VALUE",
        }[self.kind]

    @property
    def default_text(self) -> str:
        """The default as it would be typed."""
        if self.default is None or self.default == "":
            return ""
        if isinstance(self.default, bool):
            return "yes" if self.default else "no"
        return str(self.default)


def fold(text: str) -> str:
    """`MeterNumber`, `meter_number` and `meter-number` are one word."""
    return text.replace("_", "").replace("-", "").strip().lower()


def _choice(option: Option, value: object) -> str | None:
    words = {fold(choice): choice for choice in option.choices}
    return words.get(fold(str(value)))


def _yes_no(option: Option, value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in YES:
        return True
    return False if word in NO else None


def _integer(option: Option, value: object) -> int | None:
    text = str(value).strip()
    if isinstance(value, bool) or not (text.isascii() and text.lstrip("-").isdigit()):
        return None
    number = int(text)
    low = number if option.minimum is None else option.minimum
    high = number if option.maximum is None else option.maximum
    return number if low <= number <= high else None


def _decimal(option: Option, value: object) -> Decimal | None:
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _text(option: Option, value: object) -> str | None:
    text = str(value)
    return None if option.maximum is not None and len(text) > option.maximum else text


def _zone(option: Option, value: object) -> str | None:
    try:
        return ZoneInfo(str(value).strip()).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _map(option: Option, value: object) -> dict[str, str] | None:
    if isinstance(value, Mapping):
        return {str(key): str(word) for key, word in value.items()}
    pairs = [part.partition("=") for part in str(value).split(";") if part.strip()]
    if any(not equals or not key.strip() for key, equals, _ in pairs):
        return None
    return {key.strip(): word.strip() for key, _, word in pairs}


_CLEANERS = {
    "choice": _choice,
    "yes_no": _yes_no,
    "integer": _integer,
    "decimal": _decimal,
    "text": _text,
    "zone": _zone,
    "map": _map,
}


def options_clean(
    code: str,
    declared: Iterable[Option],
    given: Mapping[str, object],
    use: Literal["write", "read"] | None = None,
) -> Options:
    """All declared options of `use` with their values; OptionError names what is wrong."""
    known = {o.name: o for o in declared if use is None or o.use in (use, "both")}
    for name in given:
        if name not in known:
            listed = ", ".join(sorted(known)) or "none"
            what = f" for {use}" if use else ""
            raise OptionError(name, f"{code} has no option {name!r}{what}; it has: {listed}")
    return {name: option.clean(given.get(name)) for name, option in known.items()}
