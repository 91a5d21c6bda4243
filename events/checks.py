"""Whether an event that arrived can be kept as it is: forms, widths, ranges.

Pure. Asked before anything is stored; every fault is told, none is repaired. Widths are those of
the MRC record (formats/mrc.md 2), so that an event that was taken in can also be written.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal

from devices.readings import Event
from events.codes import ORIGINS, PHASES, code_normalise, native_number

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
AHEAD = timedelta(days=1)
ID_WIDTH, UNIT_WIDTH, TEXT_WIDTH, NATIVE_WIDTH = 64, 6, 255, 5
VALUE_WIDTH = 12  # with sign, point and 3 decimals
VALUE_DECIMALS = 6  # as kept; more are refused, not rounded
DURATION_MAX = 2**31 - 1
# Control characters, surrogates, line and paragraph separators: no text holds them.
_UNWRITABLE = {"Cc", "Cs", "Zl", "Zp"}

Fault = tuple[str, str, str]


def event_check(event: Event) -> list[Fault]:
    """What is wrong with an event: (member, code, message) each; empty when it can be stored."""
    return [
        *_code_faults(event),
        *_time_faults(event.time),
        *_text_faults("id", event.event_id, ID_WIDTH, ascii_only=True),
        *_phase_faults(event.phases),
        *_value_faults(event.value),
        *_text_faults("unit", event.unit, UNIT_WIDTH, ascii_only=True),
        *_duration_faults(event.duration),
        *_text_faults("text", event.text, TEXT_WIDTH),
    ]


def _code_faults(event: Event) -> Iterator[Fault]:
    if event.origin not in ("", *ORIGINS):
        yield "origin", "unknown_origin", f"“{event.origin}” is none of {', '.join(ORIGINS)}"
    native = event.native
    if native and not (native.isascii() and native.isdigit() and len(native) <= NATIVE_WIDTH):
        yield "native", "bad_native", f"a native code is a number of at most {NATIVE_WIDTH} digits"
        native = ""
    try:
        name = code_normalise(event.code, event.origin)
    except ValueError as fault:
        yield "code", "bad_code", f"“{event.code[:40]}” is {fault}"
        return
    if not (found := native_number(name)):
        return
    origin, number = found
    if event.origin and event.origin != origin:
        yield "origin", "code_conflict", f"{event.code} has origin {origin}, not {event.origin}"
    if native and int(native) != number:
        yield "native", "code_conflict", f"{native} is another number than {event.code}"


def _time_faults(time: datetime | None) -> Iterator[Fault]:
    if time is None:  # the time of receipt will stand for it
        return
    if time.tzinfo is None:
        yield "time", "naive_time", "time without zone"
    elif not EARLIEST <= time <= datetime.now(UTC) + AHEAD:
        yield "time", "implausible_time", "time before 2000 or more than a day ahead"


def _phase_faults(phases: str) -> Iterator[Fault]:
    if len(set(phases)) != len(phases) or not set(phases) <= set(PHASES):
        yield "phases", "bad_phases", f"“{phases[:10]}” is not made of {PHASES}, each at most once"


def _value_faults(value: Decimal | None) -> Iterator[Fault]:
    if value is None:
        return
    if not value.is_finite():
        yield "value", "not_finite", "value is not a finite number"
    elif value.adjusted() >= VALUE_WIDTH or len(_as_written(value)) > VALUE_WIDTH:
        yield "value", "too_wide", f"does not fit {VALUE_WIDTH} characters with 3 decimals"
    elif value != round(value, VALUE_DECIMALS):
        yield "value", "too_fine", f"more than {VALUE_DECIMALS} decimals"


def _as_written(value: Decimal) -> str:
    return f"{value.quantize(Decimal('0.001'), ROUND_HALF_EVEN):f}"


def _duration_faults(duration: int | None) -> Iterator[Fault]:
    if duration is not None and not 0 <= duration <= DURATION_MAX:
        yield "duration", "out_of_range", f"a duration is 0 to {DURATION_MAX} seconds"


def _text_faults(member: str, text: str, width: int, ascii_only: bool = False) -> Iterator[Fault]:
    if len(text) > width:
        yield member, "too_long", f"{len(text)} characters, at most {width}"
    if ascii_only and text != text.strip(" "):
        yield member, "bad_character", "begins or ends with a blank"
    if text.isprintable() and (text.isascii() or not ascii_only):
        return
    for char in text:
        outside = ascii_only and not " " <= char <= "~"
        if outside or unicodedata.category(char) in _UNWRITABLE:
            yield member, "bad_character", f"character U+{ord(char):04X} is not allowed"
            return
