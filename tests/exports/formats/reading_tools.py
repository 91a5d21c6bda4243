"""Files read twice: plainly where that is possible, and line by line; damaged ones, too."""

import io
from collections.abc import Callable, Sequence
from typing import Any, Literal
from unittest import mock

import numpy as np
from hypothesis import strategies as st

from devices.readings import Channel, DeviceInfo, Frame, MeterData, Sheet, Status
from exports.formats import get, text
from exports.formats.base import Inventory, ReadReport

FLAGS = [0, 0, 0, int(Status.ESTIMATED), int(Status.RAW), int(Status.EDITED), int(Status.MISSING)]


def told(meters: Sequence[MeterData]) -> list[object]:
    """What meters say, with arrays as lists."""
    return [
        (
            meter.device,
            [
                (
                    *(one.channel, one.start_register, one.end_register),
                    *(one.ends.tolist(), one.counts.tolist(), one.status.tolist()),
                )
                for one in meter.series
            ],
            meter.reads,
        )
        for meter in meters
    ]


def read(
    code: str,
    data: bytes,
    inventory: Inventory | None,
    on_error: Literal["record", "file"] = "record",
    **options: Any,
) -> tuple[Any, Any]:
    """What a file says, and what the reader found wrong with it."""
    form, report = get(code), ReadReport(on_error)
    clean = form.options_clean(options, "read")
    meters = list(form.read(io.BytesIO(data), clean, inventory, report))
    issues = (report.records, report.errors, report.warnings, report.issues)
    return told(meters), issues


def both(
    code: str,
    data: bytes,
    slowly: Callable[..., Any],
    inventory: Inventory | None = None,
    **options: Any,
) -> tuple[Any, Any]:
    """What a file says, read as it is, and with `slowly` in force. In blocks of another size, and
    up to the first error, the two are held equal here."""
    with mock.patch.object(text, "CHUNK", len(data) % 1000 * 7 + 1):
        in_blocks = read(code, data, inventory, **options)
    quickly = read(code, data, inventory, **options)
    assert in_blocks == quickly
    stopped = read(code, data, inventory, on_error="file", **options)
    with slowly():
        assert stopped == read(code, data, inventory, on_error="file", **options)
        return quickly, read(code, data, inventory, **options)


def no_plain(target: Any, name: str = "records") -> Callable[..., Any]:
    """Nothing is plain."""
    return lambda: mock.patch.object(target, name, lambda self, lines: [None] * len(lines))


def _measured(channel: Channel) -> tuple[str, str]:
    return channel.unit, channel.flow


@st.composite
def frames(draw: st.DrawFn, channels: Sequence[Channel], least: int = 1, slots: int = 100) -> Frame:
    """A frame of some meters: a channel or two each, gaps and marks here and there."""
    size = draw(st.integers(1, 4))
    names = draw(st.sampled_from([range(size), [1000**n for n in range(size)]]))
    devices = [DeviceInfo(f"D{n}", f"M{n}", f"S{n}", f"P{n}", f"A{n}") for n in names]
    some = st.lists(st.sampled_from(channels), min_size=1, max_size=2, unique_by=_measured)
    chosen = draw(some)
    return Frame(devices, [draw(_sheets(size, channel, least, slots)) for channel in chosen])


@st.composite
def _sheets(draw: st.DrawFn, size: int, channel: Channel, least: int, slots: int) -> Sheet:
    count = draw(st.integers(least, slots))
    first = 1_772_323_200 + channel.seconds * draw(st.integers(0, 96))
    ends = first + channel.seconds * np.arange(1, count + 1, dtype=np.int64)
    random = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    counts = random.integers(0, draw(st.sampled_from([10, 5000, 10**9])), (size, count))
    status = np.zeros((size, count), np.uint16)
    for _ in range(draw(st.integers(0, 6))):
        place = random.integers(0, size), random.integers(0, count)
        status[place] = draw(st.sampled_from(FLAGS))
    counts[status & int(Status.MISSING) != 0] = 0
    return Sheet(np.arange(size), [channel] * size, ends, counts, status)


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """The file with some lines repeated, left out or moved, and bytes changed, put in or left out;
    its lines may have another end."""
    lines = data.splitlines(keepends=True)
    for _ in range(min(draw(st.sampled_from([0, 0, 1, 2])), len(lines))):
        one = lines.pop(draw(st.integers(0, len(lines) - 1)))
        for _ in range(draw(st.integers(0, 2))):
            lines.insert(draw(st.integers(0, len(lines))), one)
    end = draw(st.sampled_from([b"\r\n", b"\r\n", b"\n", b"\r"]))
    found = bytearray(b"".join(lines).replace(b"\r\n", end))
    for _ in range(draw(st.integers(0, 2)) if found else 0):
        place = draw(st.integers(0, max(len(found) - 1, 0)))
        byte = draw(st.one_of(st.sampled_from(b',.0159EN \r\n-+"H'), st.integers(0, 255)))
        change = draw(st.sampled_from(["change", "add", "leave out"]))
        if change == "add" or not found:
            found.insert(place, byte)
        elif change == "change":
            found[place] = byte
        else:
            del found[place]
    return bytes(found)
