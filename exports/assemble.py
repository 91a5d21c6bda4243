"""Files out of parts: frames become segments of bytes, segments become files.

A segment is what one part of a run has for one file. Parts are written in any order, by any
process; their segments are put together in the parts' order. Knows no database.
"""

import io
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from devices.readings import DeviceInfo, Frame, Sheet
from devices.storedreads import reads_renumbered
from exports.formats.base import Format, Tally, WriteContext

CHUNK = 4 << 20
NTH = "\x1f"  # between a file's key and which file of that key it is; no identifier holds it


class SegmentDamaged(Exception):
    """A part's bytes are not those that were written; the part has to be written anew."""

    def __init__(self, part: int) -> None:
        super().__init__(f"the bytes of part {part} are damaged")
        self.part = part


@dataclass(frozen=True, slots=True)
class Segment:
    """Bytes of one file: `size` of them from `offset` on in the file at `path`."""

    key: str
    part: int
    path: Path
    offset: int
    size: int
    crc: int
    tally: Mapping[str, Any]  # Tally.as_dict

    def stored(self) -> dict[str, Any]:
        """In JSON's types, without what the part's row holds anyway."""
        names = ("key", "offset", "size", "crc", "tally")
        return {name: getattr(self, name) for name in names}


class _Counting:
    """A part's file as a format writes to it: its size and checksum so far."""

    def __init__(self, raw: BinaryIO) -> None:
        self.raw, self.size, self.crc = raw, 0, 0

    def write(self, data: bytes) -> int:
        self.crc = zlib.crc32(data, self.crc)
        self.size += len(data)
        return self.raw.write(data)


def segments_write(
    form: Format,
    ctx: WriteContext,
    frames: Iterable[Frame],
    out: BinaryIO,
    *,
    path: Path,
    part: int = 1,
    first_device: int = 0,
) -> list[Segment]:
    """Write a part's frames, a segment a file. FormatError as the format says.

    `first_device`: the place of the part's first device in the run, for files of limited size.
    """
    keys = _Keys(form, ctx, first_device)
    if not keys.needed:
        counted, tally = _Counting(out), Tally()
        for frame in frames:
            form.write_frame(frame, ctx, counted, tally)  # type: ignore[arg-type]
        return [Segment("", part, path, 0, counted.size, counted.crc, tally.as_dict())]
    bodies: dict[str, tuple[io.BytesIO, Tally]] = {}
    for frame in frames:
        for key, some in frame_split(frame, keys.of(frame.devices)):
            body, tally = bodies.setdefault(key, (io.BytesIO(), Tally()))
            form.write_frame(some, ctx, body, tally)
    segments, offset = [], 0
    for key, (body, tally) in sorted(bodies.items()):
        data = body.getbuffer()
        out.write(data)
        segments.append(
            Segment(key, part, path, offset, len(data), zlib.crc32(data), tally.as_dict())
        )
        offset += len(data)
    return segments


class _Keys:
    """Which file each device goes to."""

    def __init__(self, form: Format, ctx: WriteContext, first_device: int) -> None:
        self.form, self.ctx = form, ctx
        self.splits, self.most = form.splits(ctx.options), form.meters_a_file(ctx.options)
        self.place = count(first_device)

    @property
    def needed(self) -> bool:
        return self.splits or self.most is not None

    def of(self, devices: Sequence[DeviceInfo]) -> list[str]:
        keys = [self.form.file_key(d, self.ctx) if self.splits else "" for d in devices]
        if self.most is None:
            return keys
        return [f"{key}{NTH}{next(self.place) // self.most:08}" for key in keys]


def frame_split(frame: Frame, keys: Sequence[str]) -> Iterator[tuple[str, Frame]]:
    """The frame's devices by key, as frames of their own; keys in order, devices as they were."""
    if len(set(keys)) == 1:
        yield keys[0], frame
        return
    names, group = np.unique(np.array(keys, dtype=object), return_inverse=True)
    place = np.empty(len(keys), np.int64)
    for number in range(len(names)):
        mine = np.flatnonzero(group == number)
        place[mine] = np.arange(len(mine))
    cuts = [_sheet_split(sheet, group, place) for sheet in frame.sheets]
    for number, key in enumerate(names.tolist()):
        mine = np.flatnonzero(group == number).tolist()
        yield (
            key,
            replace(
                frame,
                devices=[frame.devices[index] for index in mine],
                sheets=[cut[number] for cut in cuts if number in cut],
                reads=reads_renumbered(frame.reads, dict(enumerate(mine))),
                events={n: frame.events[i] for n, i in enumerate(mine) if i in frame.events},
            ),
        )


def _sheet_split(sheet: Sheet, group: Any, place: Any) -> dict[int, Sheet]:
    """A sheet's rows by the group of their device."""
    of_rows = group[sheet.devices]
    order = np.argsort(of_rows, kind="stable")
    groups, starts = np.unique(of_rows[order], return_index=True)
    found = {}
    for number, rows in zip(groups.tolist(), np.split(order, starts[1:]), strict=True):
        found[number] = Sheet(
            place[sheet.devices[rows]],
            [sheet.channels[row] for row in rows.tolist()],
            sheet.ends,
            sheet.counts[rows],
            None if sheet.status is None else sheet.status[rows],
            None if sheet.numbers is None else sheet.numbers[rows],
        )
    return found


def files_of(
    form: Format, ctx: WriteContext, segments: Iterable[Segment]
) -> tuple[list[tuple[str, list[Segment]]], Tally]:
    """The segments of each file that is to be made, files by key, segments in the parts' order.

    Beside them the tally of what makes no file, because it holds nothing.
    """
    found: dict[str, list[Segment]] = {}
    for segment in segments:
        found.setdefault(segment.key, []).append(segment)
    also_empty = form.when_empty(ctx.options) == "write"
    files, dropped = [], Tally()
    for key in sorted(found):
        parts = sorted(found[key], key=lambda segment: segment.part)
        if also_empty or any(segment.tally["records"] for segment in parts):
            files.append((key, parts))
        else:
            dropped.merge(_tally(parts))
    if not files and also_empty:
        files.append(("", []))
    return files, dropped


def _tally(segments: Iterable[Segment]) -> Tally:
    tally = Tally()
    for segment in segments:
        tally.merge(Tally.from_dict(segment.tally))
    return tally


def key_name(key: str) -> str:
    """What the format calls a file by, without its place among several."""
    return key.partition(NTH)[0]


def file_assemble(
    form: Format,
    ctx: WriteContext,
    segments: Iterable[Segment],
    out: BinaryIO,
    *,
    key: str = "",
    number: int = 1,
) -> Tally:
    """Write one file. SegmentDamaged names a part whose bytes are not what they were.

    Segments may come one by one, as their parts are done, unless the format has `counts_first`.
    """
    ctx = form.file_context(ctx, key_name(key), number)
    out = form.passing(ctx, out)
    counted = Tally()
    if form.counts_first:
        segments = list(segments)
        counted = _tally(segments)
    form.begin(ctx, out, counted)
    tally = counted if form.counts_first else Tally()  # which has what `begin` counted, too
    for segment in segments:
        for data in _segment_read(segment):
            out.write(data)
        if not form.counts_first:
            tally.merge(Tally.from_dict(segment.tally))
    form.finish(ctx, out, tally)
    return tally


def _segment_read(segment: Segment) -> Iterator[bytes]:
    """A segment's bytes in chunks; its checksum is looked at when they are through."""
    left, crc = segment.size, 0
    try:
        with segment.path.open("rb") as raw:
            raw.seek(segment.offset)
            while left and (data := raw.read(min(left, CHUNK))):
                crc, left = zlib.crc32(data, crc), left - len(data)
                yield data
    except OSError as error:
        raise SegmentDamaged(segment.part) from error
    if left or crc != segment.crc:
        raise SegmentDamaged(segment.part)
