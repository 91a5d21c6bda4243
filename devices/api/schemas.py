"""The shapes of the API: query strings (pydantic, as ninja reads them), answers (msgspec)."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
from django.http import HttpResponse
from ninja import Schema
from pydantic import BeforeValidator, Field, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from devices import readings
from devices.api.errors import query_fault

YEARS = range(2000, 2200)


def instant_parse(text: Any) -> Any:
    """An instant of a query string, to UTC; told from naive times, fractions and other ages."""
    if not isinstance(text, str):
        return text
    if "T" in text:  # an unescaped + arrives as a blank
        text = text.replace(" ", "+")
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise PydanticCustomError("time", "“{text}” is no ISO 8601 time", {"text": text}) from None
    if when.tzinfo is None:
        raise PydanticCustomError("naive_time", "a time needs its offset from UTC, or Z")
    if when.year not in YEARS:
        raise PydanticCustomError("time_range", "the year must be from 2000 to 2199")
    if when.microsecond:
        raise PydanticCustomError("time_fraction", "a time here has whole seconds")
    return when.astimezone(UTC)


Instant = Annotated[datetime, BeforeValidator(instant_parse)]
Text = Annotated[str, Field(max_length=64, pattern=r"^[ -~]*$")]
Cursor = Annotated[str, Field(max_length=200)]


class Query(Schema):
    """A query string. A parameter that is misspelt is refused, not ignored."""

    @model_validator(mode="before")
    @classmethod
    def known(cls, values: Any, info: ValidationInfo) -> Any:
        # ninja hands over the known ones only; the request has them all.
        for name in (info.context or {})["request"].GET:
            if name not in cls.model_fields:
                raise query_fault(name, "UNKNOWN", "There is no such parameter.")
        return values


class DeviceQuery(Query):
    group: Text | None = Field(None, description="Code of a group that the device is in now.")
    status: Literal["placed", "provisioned", "unprovisioned"] | None = None
    q: Text | None = Field(
        None, description="Beginning of a device id, meter number or serial number."
    )
    limit: int = Field(100, ge=1, le=500)
    cursor: Cursor | None = None


class PeriodQuery(Query):
    start: Instant | None = Field(None, description="ISO 8601 with offset. Default: see above.")
    end: Instant | None = Field(None, description="ISO 8601 with offset. Default: now.")
    cursor: Cursor | None = None


class IntervalQuery(PeriodQuery):
    channel: int | None = Field(None, ge=1, le=999)
    limit: int = Field(1000, ge=1, le=10000)


class RegisterQuery(PeriodQuery):
    type: Literal["CUR", "OD", "PDR", "PSN", "SR"] | None = None
    limit: int = Field(100, ge=1, le=1000)


class Detail(Schema):
    """The body of a refusal as a whole."""

    detail: str


class ProblemOut(Schema):
    """One fault of what was sent; a 422 lists all that were found."""

    path: str
    code: str
    message: str


def refusals(*statuses: int) -> dict[int, Any]:
    """The refusals of an operation, for its `response`; those for want of a key are added."""
    return {s: list[ProblemOut] if s == 422 else Detail for s in (401, 403, *statuses)}


class ChannelOut(msgspec.Struct):
    """A channel; `valid_to` is null for the present era of its number."""

    channel: int
    uom: str
    flow: str
    seconds: int
    value_type: str
    resolution: str
    multiplier: str | None
    multiplier_applied: bool
    valid_from: datetime | None
    valid_to: datetime | None


class DeviceOut(msgspec.Struct):
    """A device, with where it hangs now, the groups it is in now, and all eras of its channels."""

    device: str
    meter_number: str
    serial_number: str
    status: str
    device_class: str
    time_zone: str
    service_point_id: str
    account_id: str
    premise_id: str
    transformer_id: str
    feeder_id: str
    multiplier: str | None
    groups: list[str]
    channels: list[ChannelOut]


class IntervalOut(msgspec.Struct):
    """An interval: a decimal, or null when missing; how many versions it had before."""

    channel: int
    end: datetime
    value: str | None
    status: tuple[str, ...]
    revision: int


class ValueOut(msgspec.Struct, omit_defaults=True):
    """One register of a read, as posted. What was not given is left out, its value never."""

    uom: str
    flow: str
    rate: str
    value: str | None
    status: str
    register_class: str = msgspec.field(name="class")
    no: int | None = None
    occurrence: int = 1
    peak_time: datetime | None = None
    multiplier: str | None = None
    multiplier_applied: bool | None = None
    dials: int | None = None
    decimals: int | None = None
    source: str = ""


class RegisterOut(msgspec.Struct, omit_defaults=True):
    """A register read, as posted, with the number of its earlier versions."""

    time: datetime
    type: str
    revision: int
    values: list[ValueOut]
    season: int | None = None
    reset_count: int | None = None
    reset_time: datetime | None = None
    status_word: str = ""
    id: str = ""
    source: str = ""


Item = TypeVar("Item")


class Page(msgspec.Struct, Generic[Item]):
    """Part of a list; `next` is the cursor of the following part, null after the last."""

    items: list[Item]
    next: str | None


def answer(body: Any) -> HttpResponse:
    """The response that carries a body."""
    return HttpResponse(msgspec.json.encode(body), content_type="application/json")


def decimal_text(value: Decimal) -> str:
    """A decimal as files and answers write it: plain, no trailing zeros, no minus zero."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def status_words(mask: int) -> list[str]:
    """The names of a mask, without the bits that stay in the house."""
    return readings.status_names(mask & readings.PUBLIC)
