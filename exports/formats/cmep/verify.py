"""A second look at a finished file: what each record counts, against what stands in it.

CMEP has no totals; a receiver tells by a record's count whether it is whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from devices.readings import Ints
from exports.formats.cmep.fields import split_fields
from exports.formats.cmep.tables import MAX_LINE, MEPMD01, MEPMD02
from exports.formats.grid import Flags

ROW = len(MEPMD01.group)
HEADERS = {line.name.encode(): len(line.columns) for line in (MEPMD01, MEPMD02)}
MOST = 3  # faults that are told
RECORD, HEADER = b"MEPMD01,", len(MEPMD01.columns)
LF, CR, COMMA, ZERO = b"\n\r,0"
BLOCK = 1 << 19  # bytes looked at at once
DIGITS = 4  # of a count, at most
SHORTEST = 16  # no record of interval data is as short


def counts_verify(stream: BinaryIO, crc: bool) -> list[str]:
    """What is wrong with the file's records; `crc`: each ends in an empty field more."""
    wrong: list[str] = []
    number = 0
    for block in _blocks(stream):
        starts, ends, plain = _lines(block, crc)
        for line in np.flatnonzero(~plain).tolist():
            if why := _fault(block[starts[line] : ends[line]], crc):
                wrong.append(f"record {number + line + 1}: {why}")
                if len(wrong) == MOST:
                    return wrong
        number += len(starts)
    return wrong


def _blocks(stream: BinaryIO) -> Iterator[bytes]:
    """The file in blocks of whole lines; only the last may end without a line end."""
    rest = b""
    while data := stream.read(BLOCK):
        data = rest + data
        cut = data.rfind(b"\n") + 1
        rest = data[cut:]
        if cut:
            yield data[:cut]
    if rest:
        yield rest


def _lines(block: bytes, crc: bool) -> tuple[Ints, Ints, Flags]:
    """Where the lines of a block begin and end, (n,), and which are sure to be right: of interval
    data without quotes, with as many commas as their count demands. The others are looked at one
    by one."""
    data = np.frombuffer(block, np.uint8)
    ends = np.flatnonzero(data == LF) + 1
    if not len(ends) or ends[-1] < len(data):
        ends = np.append(ends, len(data))
    starts = np.concatenate(([0], ends[:-1]))
    if b'"' in block:
        return starts, ends, np.zeros(len(ends), np.bool_)
    commas = np.flatnonzero(data == COMMA)
    first = np.searchsorted(commas, starts)
    number = np.searchsorted(commas, ends) - first
    sizes = ends - starts
    plain = (number >= HEADER) & (sizes > SHORTEST) & (sizes <= MAX_LINE)
    plain &= (data[ends - 1] == LF) & (data[ends - 2] == CR)
    for place, char in enumerate(RECORD):
        plain &= data[np.minimum(starts + place, len(data) - 1)] == char
    rows = np.flatnonzero(plain)
    low, high = (commas[first[rows] + HEADER - back] for back in (2, 1))
    count = np.zeros(len(rows), np.int64)
    good = (high - low > 1) & (high - low <= 1 + DIGITS)
    for place in range(1, 1 + DIGITS):
        digit = data[np.minimum(low + place, high)].astype(np.int64) - ZERO
        inside = low + place < high
        good &= ~inside | ((digit >= 0) & (digit <= 9))
        count = np.where(inside, 10 * count + digit, count)
    good &= number[rows] + 1 == HEADER + ROW * count + crc
    plain[rows] = good
    return starts, ends, plain


def _fault(line: bytes, crc: bool) -> str:
    header = HEADERS.get(line[:7])
    if header is None:
        return f"begins with {line[:7]!r}"
    if line[-2:] != b"\r\n" or len(line) > MAX_LINE:
        return f"{len(line)} bytes, or no CR LF at the end"
    if b'"' in line:
        try:
            fields = split_fields(line[:-2])
        except ValueError as error:
            return str(error)
        found = len(fields)
    else:
        fields, found = line[:-2].split(b",", header), line.count(b",") + 1
    if found < header:
        return f"has {found} fields, fewer than its header"
    count = fields[header - 1]
    if not count.isdigit() or found != header + ROW * int(count) + crc:
        return f"counts {count.decode('latin-1')} triplets in {found} fields"
    return ""
