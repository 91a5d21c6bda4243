"""A second look at a finished file: what each record counts, against what stands in it.

CMEP has no totals; a receiver tells by a record's count whether it is whole.
"""

from __future__ import annotations

from typing import BinaryIO

from exports.formats.cmep.fields import split_fields
from exports.formats.cmep.tables import MAX_LINE, MEPMD01, MEPMD02

ROW = len(MEPMD01.group)
HEADERS = {line.name.encode(): len(line.columns) for line in (MEPMD01, MEPMD02)}
MOST = 3  # faults that are told


def counts_verify(stream: BinaryIO, crc: bool) -> list[str]:
    """What is wrong with the file's records; `crc`: each ends in an empty field more."""
    wrong: list[str] = []
    for number, line in enumerate(stream, start=1):
        if why := _fault(line, crc):
            wrong.append(f"record {number}: {why}")
            if len(wrong) == MOST:
                break
    return wrong


def _fault(line: bytes, crc: bool) -> str:
    header = HEADERS.get(line[:7])
    if header is None:
        return f"begins with {line[:7]!r}"
    if line[-2:] != b"\r\n" or len(line) > MAX_LINE:
        return f"{len(line)} bytes, or no CR LF at the end"
    if b'"' in line:
        fields = split_fields(line[:-2])
        count, found = fields[header - 1], len(fields)
    else:
        count, found = line.split(b",", header)[header - 1], line.count(b",") + 1
    if not count.isdigit() or found != header + ROW * int(count) + crc:
        return f"counts {count.decode('latin-1')} triplets in {found} fields"
    return ""
