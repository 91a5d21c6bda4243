"""Pure: the body of a posted batch, as declared structs, and its decoding.

Members are those of the input model in snake case. A member that is not declared is refused, so
that a misspelt one loses no data. No number passes through binary floating point: single numbers
become Decimals, the arrays `values` stay JSON text until `devices.batchvalues` reads them.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from devices import readings

KEY = re.compile(r"[ -~]{1,200}")
NUMBERS = {
    "type": "array",
    "items": {"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "null"}]},
}


def _words(table: Any, text: str) -> Meta:
    return Meta(description=text, extra_json_schema={"enum": list(table)})


Instant = Annotated[datetime, Meta(tz=True, description="ISO 8601 with offset, or Z")]
Unit = Annotated[str, _words(readings.UNITS, "canonical unit")]
Flow = Annotated[str, _words(readings.FLOWS, "direction; without one DEL")]
Seconds = Annotated[int, _words(readings.INTERVAL_SECONDS, "interval length")]
Source = Annotated[str, _words(readings.SOURCES, "how the data came to be here")]
Small = Annotated[int, Meta(ge=0, le=32767)]
OnError = Literal["batch", "meter"]


class Problem(Struct, frozen=True):
    """One fault: where it is (`meters[3].intervals[0].start`), its code, what to do."""

    path: str
    code: str
    message: str


class BatchRefused(Exception):
    """Nothing of the batch was stored; `problems` says why."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(f"{problems[0].path}: {problems[0].message}" if problems else "refused")
        self.problems = problems


class _Form(Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True, gc=False):
    """What all parts of a body share. They form no cycles, so the collector need not watch."""


class Intervals(_Form):
    """A run of intervals of one channel, the first of which begins at `start`.

    The channel is named by its number, or by unit and flow. Exactly one of `values` (engineering
    units) and `counts` (of the channel's resolution); null is missing.
    """

    start: Instant
    channel: Annotated[int, Meta(ge=1, le=999)] | None = None
    uom: Unit | None = None
    flow: Flow | None = None
    seconds: Seconds | None = None
    values: Annotated[msgspec.Raw | UnsetType, Meta(extra_json_schema=NUMBERS)] = UNSET
    counts: list[int | None] | None = None
    status: list[str] | None = None
    value_type: Annotated[str, _words(readings.VALUE_TYPES, "value type")] | None = None
    resolution: Decimal | None = None
    multiplier: Decimal | None = None
    multiplier_applied: bool | None = None
    start_register: Decimal | None = None
    end_register: Decimal | None = None


class RegisterValue(_Form):
    """One register of a read. `no`: the register's number."""

    uom: Unit
    flow: Flow = "DEL"
    register_class: Annotated[str, _words(readings.REGISTER_CLASSES, "class")] = field(
        name="class", default="SUM"
    )
    rate: Annotated[str, _words(readings.RATES, "T total, A to H tiers")] = "T"
    no: Annotated[int, Meta(ge=1, le=999)] | None = None
    occurrence: Annotated[int, Meta(ge=1, le=99)] = 1
    value: Decimal | None = None
    peak_time: Instant | None = None
    multiplier: Decimal | None = None
    multiplier_applied: bool | None = None
    dials: Small | None = None
    decimals: Small | None = None
    status: str = ""
    source: Source | Literal[""] = ""


class Registers(_Form):
    """A meter's registers at one instant."""

    time: Instant
    values: list[RegisterValue]
    type: Annotated[str, _words(readings.READ_TYPES, "read type")] = "CUR"
    season: Small | None = None
    reset_count: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None
    reset_time: Instant | None = None
    status_word: str = ""
    id: str = ""
    source: Source | Literal[""] = ""


class Event(_Form):
    """Something that happened at a meter. Without `time` that of receipt stands for it."""

    code: str
    time: Instant | None = None
    id: str = ""
    value: Decimal | None = None
    unit: str = ""
    text: str = ""
    origin: str = ""
    native: str = ""
    phases: str = ""
    duration: int | None = None


class Meter(_Form):
    """What one meter sent, under one of its identifiers. The others are checked, if given.

    Members from `service_point_id` on serve a device that has still to be made.
    """

    device: str | None = None
    meter_number: str | None = None
    serial_number: str | None = None
    time_zone: str | None = None
    device_class: str | None = None
    service_point_id: str | None = None
    account_id: str | None = None
    premise_id: str | None = None
    transformer_id: str | None = None
    feeder_id: str | None = None
    intervals: list[Intervals] = []
    registers: list[Registers] = []
    events: list[Event] = []

    @property
    def name(self) -> str:
        """What the meter is called in messages."""
        return self.device or self.meter_number or self.serial_number or "without a name"


class Form(_Form):
    """A batch. `on_error: meter` takes whole good meters and lists the others."""

    meters: list[Meter]
    batch: str | None = None
    source: Source = "pushed"
    on_error: OnError = "batch"


class Delivery(Form):
    """A decoded batch, with the meters that could not be decoded (`on_error: meter`).

    A faulty meter has its problems here and nothing but its place in `meters`.
    """

    faults: dict[int, list[Problem]] = {}


class Created(Struct):
    devices: int = 0
    channels: int = 0


class Answer(Struct):
    """What a batch is answered with, byte for byte the same each time it is sent.

    `batch` is the key, or TMS's own id of the batch. `intervals` counts slots, missing ones
    too; `registers` reads; `events` those that were new.
    """

    batch: str
    status: Literal["accepted", "partial"]
    devices: int
    intervals: int
    registers: int
    events: int
    created: Created
    refused: list[Problem]


class _Outer(_Form):
    """A batch whose meters are still text."""

    meters: list[msgspec.Raw]
    batch: str | None = None
    source: Source = "pushed"
    on_error: OnError = "batch"


# The decoder tells bytes that are no UTF-8 apart from all else that is no JSON.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError)
_form = msgspec.json.Decoder(Form)
_outer = msgspec.json.Decoder(_Outer)
_meter = msgspec.json.Decoder(Meter)


def decode(body: bytes, on_error: OnError | None = None) -> Delivery:
    """The batch of a body. BatchRefused names every meter that could not be decoded.

    With `on_error: meter` those become faults of the delivery instead. An `on_error` given here
    goes before the body's own.
    """
    try:
        form = _form.decode(body)
        delivery = Delivery(
            meters=form.meters, batch=form.batch, source=form.source, on_error=form.on_error
        )
    except (*UNREADABLE, RecursionError) as error:
        delivery = _decode_by_meter(body, error)
    delivery.on_error = on_error or delivery.on_error
    faults = [problem for meter in delivery.faults.values() for problem in meter]
    faults = [*_head_problems(delivery), *(faults if delivery.on_error == "batch" else ())]
    if faults:
        raise BatchRefused(faults)
    return delivery


def _head_problems(form: Form) -> list[Problem]:
    problems = []
    if form.batch and not KEY.fullmatch(form.batch):
        problems.append(
            Problem("batch", "BAD_KEY", "batch: give 1 to 200 printable ASCII characters")
        )
    if form.source not in readings.SOURCES:
        known = ", ".join(readings.SOURCES)
        problems.append(
            Problem("source", "UNKNOWN_SOURCE", f"source: “{form.source[:40]}” is none of {known}")
        )
    return problems


def _decode_by_meter(body: bytes, error: Exception) -> Delivery:
    """The same, meter by meter, so that every faulty one is named."""
    if not isinstance(error, msgspec.ValidationError):
        raise BatchRefused(_malformed(body, error)) from error
    try:
        outer = _outer.decode(body)
    except UnicodeDecodeError as fault:
        raise BatchRefused(_malformed(body, fault)) from fault
    except (msgspec.DecodeError, RecursionError) as fault:
        raise BatchRefused([_problem("", fault)]) from fault
    delivery = Delivery(
        meters=[], batch=outer.batch, source=outer.source, on_error=outer.on_error, faults={}
    )
    for index, raw in enumerate(outer.meters):
        try:
            meter = _meter.decode(raw)
        except (*UNREADABLE, RecursionError) as fault:
            delivery.faults[index] = [_problem(f"meters[{index}]", fault)]
            meter = Meter()
        delivery.meters.append(meter)
    return delivery


# --- what is wrong with a body -------------------------------------------------------------------

# The decoder's words, and ours.
_CODES = (
    ("timezone component", "NAIVE_TIME", "give the time with its offset from UTC, or Z"),
    ("RFC3339", "BAD_TIME", "write it as 2026-03-14T00:00:00Z"),
    ("unknown field", "UNKNOWN_MEMBER", "there is no such member here; correct or remove it"),
    ("missing required field", "MISSING_MEMBER", "it must be given"),
    ("Invalid decimal", "BAD_NUMBER", "write a plain decimal number"),
    ("Invalid enum value", "BAD_VALUE", "see the API's description for what may stand here"),
    ("Expected `int` ", "OUT_OF_RANGE", "a number within these bounds must stand here"),
    ("Expected", "BAD_TYPE", "something of that kind must stand here"),
)
_MEMBER = re.compile(r"field `([^`]*)`")


def _problem(place: str, error: Exception) -> Problem:
    """A decoder's error, at its full path."""
    if isinstance(error, RecursionError):
        return Problem(place, "BAD_JSON", f"{place or 'the body'}: nested too deeply")
    if isinstance(error, UnicodeDecodeError):
        return Problem(place, "BAD_JSON", f"{place or 'the body'}: {error}")
    what, _, where = str(error).partition(" - at `$")
    path = (place + where.rstrip("`").replace("[...]", "")).lstrip(".")
    if member := _MEMBER.search(what):
        path = f"{path}.{member[1]}".lstrip(".")
    shown = path[-100:] or "the body"
    for words, code, advice in _CODES:
        if words in what:
            return Problem(path[:200], code, f"{shown}: {what}; {advice}")
    return Problem(path[:200], "BAD_VALUE", f"{shown}: {what}")


class _NotFinite:
    """Stands where a body says NaN or Infinity, which no JSON number is."""

    def __init__(self, word: str) -> None:
        self.word = word


def _malformed(body: bytes, error: Exception) -> list[Problem]:
    """Why a body is no JSON. NaN and Infinity, which many a sender writes, are told by path."""
    if b"NaN" in body or b"Infinity" in body:
        try:
            found = list(_not_finite(json.loads(body, parse_constant=_NotFinite), ""))
        except (ValueError, RecursionError):
            found = []
        if found:
            return found
    what = "nested too deeply" if isinstance(error, RecursionError) else str(error)
    return [Problem("", "BAD_JSON", f"the body is no JSON: {what}")]


def _not_finite(node: Any, path: str) -> Any:
    if isinstance(node, _NotFinite):
        message = f"{path[-100:]}: {node.word} is not a finite number; send null where missing"
        yield Problem(path.lstrip(".")[:200], "NOT_FINITE", message.lstrip("."))
    elif isinstance(node, dict):
        for name, value in node.items():
            yield from _not_finite(value, f"{path}.{name}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _not_finite(value, f"{path}[{index}]")
