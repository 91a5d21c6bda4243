"""A second look at the lines of a finished file, a block of whole lines at a time, on arrays."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from devices.readings import Ints

BLOCK = 1 << 20
NEWLINE, COMMA = 10, 44


def line_blocks(stream: BinaryIO) -> Iterator[bytes]:
    """The rest of a stream in blocks that end where a line does."""
    while data := stream.read(BLOCK):
        yield data if data.endswith(b"\n") else data + stream.readline()


def last_apart(blocks: Iterator[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """The same blocks without the last line of all, which comes beside the last of them."""
    held = b""
    for block in blocks:
        if held:
            yield held, b""
        held = block
    cut = held[:-1].rfind(b"\n") + 1
    yield held[:cut], held[cut:]


class Cells(NamedTuple):
    """Where the cells of lines stand: the lines (n,), the commas between their cells (n, c - 1)."""

    data: npt.NDArray[np.uint8]
    firsts: Ints
    commas: Ints
    ends: Ints

    def starts_of(self, cell: int) -> Ints:
        """Where a cell begins in each line."""
        return self.commas[:, cell - 1] + 1 if cell else self.firsts

    def ends_of(self, cell: int) -> Ints:
        """Where it ends."""
        return self.commas[:, cell] if cell < self.commas.shape[1] else self.ends


def cells_found(block: bytes, cells: int) -> Cells | None:
    """The cells of a block of lines; None where a line has quotes or another number of them."""
    if b'"' in block or not block.endswith(b"\n"):
        return None
    data = np.frombuffer(block, np.uint8)
    commas, ends = np.flatnonzero(data == COMMA), np.flatnonzero(data == NEWLINE)
    if len(commas) != len(ends) * (cells - 1):
        return None
    firsts = np.concatenate([[0], ends[:-1] + 1])
    of_line = commas.reshape(len(ends), cells - 1)
    if not ((of_line[:, 0] >= firsts) & (of_line[:, -1] < ends)).all():
        return None
    return Cells(data, firsts, of_line, ends - (data[ends - 1] == 13))


def rows_of(block: bytes) -> Iterator[list[str]]:
    """The rows of a block of lines, one by one."""
    yield from csv.reader(block.decode().splitlines())
