"""A file record by record as the tables have it, to be written again byte for byte.

What the data model has no place for is kept here: reserved bytes, counts that are wrong, the form
of cells, status bits without a meaning. Whoever corrects a file of another system changes values
of its image; what is not changed is written as it was. Times of `2400` and texts are normal form.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from exports.formats.layout import Record
from exports.formats.mv90.tables import CHANNEL_HEADER, METER
from exports.formats.records216.layouts import (
    CELL_DTYPES,
    CHANNEL,
    FIRST_INTERVALS,
    HEADER,
    INTERVALS,
    LAST_INTERVALS,
    LENGTH,
    TRAILER,
    TRAILER_CODE,
)

LAYOUTS = dict.fromkeys(range(FIRST_INTERVALS, LAST_INTERVALS + 1), INTERVALS)
LAYOUTS |= {HEADER: METER, CHANNEL: CHANNEL_HEADER, TRAILER_CODE: TRAILER}


class Image(NamedTuple):
    """A record: its table and values by name; `cells` as an array, fill included."""

    layout: Record
    values: dict[str, Any]


def image_read(data: bytes) -> list[Image]:
    """ValueError names the record, counted from 1, that is none of the tables'."""
    images, form = [], ("Y", "Y")
    for place in range(0, len(data), LENGTH):
        raw = data[place : place + LENGTH]
        layout = LAYOUTS.get(int.from_bytes(raw[2:4], "little"))
        if layout is None:
            raise ValueError(f"record {place // LENGTH + 1}: unknown code")
        try:
            values = layout.get(raw)
        except ValueError as error:
            raise ValueError(f"record {place // LENGTH + 1}: {error}") from error
        if layout is CHANNEL_HEADER:
            form = (values["CHANSTAT"], values["INTSTAT"])
        if layout is INTERVALS:
            values["cells"] = np.frombuffer(values["cells"], CELL_DTYPES[form]).copy()
        images.append(Image(layout, values))
    return images


def image_write(images: Iterable[Image]) -> bytes:
    """The records' bytes."""
    return b"".join(layout.put(_plain(values)) for layout, values in images)


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.tobytes() if isinstance(value, np.ndarray) else value
        for name, value in values.items()
    }
