"""Writing and reading the register formats in tests: a few words instead of a context."""

import io
from collections.abc import Sequence
from typing import Any

import pytest

from devices.readings import DeviceInfo, Frame, MeterData, RegisterRead, RegisterValue
from exports.formats import get
from exports.formats.base import FormatError, Inventory, ReadReport, Tally, WriteContext
from tests.exports.formats.register_cases import APRIL, CHICAGO, METER, april, at

CONTEXT = (
    "zone",
    "mode",
    "original_batch",
    "on_error",
    "groups",
    "export",
    "sender",
    "system_zone",
)


def context(code: str, case: dict[str, Any] | None = None, **words: Any) -> WriteContext:
    """A context; words that it does not know are options of the format."""
    when = APRIL | (case or {})
    own = {name: words.pop(name) for name in CONTEXT if name in words}
    return WriteContext(
        created=at(when["created"]),
        batch_id=when["batch"],
        start=at(when["start"]),
        end=at(when["end"]),
        options=get(code).options_clean(words, "write"),
        **(
            {
                **{"sender": "ACMEPOWER", "receiver": "CIS1", "export": "CYCLE05 BILLING"},
                **{"zone": CHICAGO, "groups": ("CYCLE05",)},
            }
            | own
        ),
    )


def write(
    code: str, meters: Sequence[MeterData], case: dict[str, Any] | None = None, **words: Any
) -> tuple[bytes, Tally]:
    """The file and its tally; a second look at the bytes must find nothing wrong."""
    ctx, out = context(code, case, **words), io.BytesIO()
    form = get(code)
    tally = form.write([Frame.of(meters)], ctx, out)
    assert form.verify(io.BytesIO(out.getvalue()), ctx) == []
    return out.getvalue(), tally


def lines(code: str, *reads: RegisterRead, **words: Any) -> list[str]:
    """The lines of one meter's file."""
    device = words.pop("device", METER)
    return write(code, [MeterData(device, reads=reads)], **words)[0].decode().splitlines()


def refusal(code: str, *reads: RegisterRead, **words: Any) -> str:
    """Why the reads of one meter are not written."""
    with pytest.raises(FormatError) as caught:
        lines(code, *reads, **words)
    return str(caught.value)


def refused(code: str, *values: RegisterValue, **words: Any) -> str:
    """Why these registers of one read are not written."""
    return refusal(code, april(*values), **words)


def read(
    code: str,
    data: bytes,
    inventory: Inventory | None = None,
    on_error: str = "record",
    **options: Any,
) -> tuple[list[MeterData], ReadReport]:
    form, report = get(code), ReadReport(on_error)  # type: ignore[arg-type]
    clean = form.options_clean(options, "read")
    return list(form.read(io.BytesIO(data), clean, inventory, report)), report


def device_of(**changed: str) -> DeviceInfo:
    return METER._replace(**changed)
