"""Records of the plainest form, read a block of lines at a time, on arrays.

Plain is a MEPMD01 of intervals without quotes or blanks, whose times are all there and follow one
another by Interval, with flags that need no warning and plain numbers beside them. Every other line
is `None` and is read by the parser, which tells what is odd about it; a test holds the two equal.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from devices.readings import Ints, Masks, Status, identifier_fault
from exports.formats.cmep.parse import HEADER, SCALE, YEAR_3000, Amount, Parsed, Parser, RecordError
from exports.formats.cmep.tables import IDENTIFIERS, SENSUS, STAMP, Unit
from exports.formats.decimals import middles, spans_read
from exports.formats.linearrays import LineArrays
from exports.formats.text import TextLine

POINT = 46
STAMP_SIZE = 12
METER = 7  # place of the meter's id in the header
MISSING = int(Status.MISSING)
UNEVEN = "CMR58"  # of the times that a header is tried with
BARE = bytes(range(0x21, 0x7F)).replace(b'"', b"")  # what a header may hold
ODD = 1 << 16  # no mask: a flag that the parser looks at
Bytes = npt.NDArray[np.uint8]


class Head(NamedTuple):
    """What a header says but for its meter."""

    code: str
    unit: Unit
    stamp: int
    constant: Decimal
    seconds: int
    sensus: bool


class Plain(NamedTuple):
    """A record read; shapes (n,), counts of 10**-SCALE, 0 where missing."""

    meter: str
    head: Head
    ends: Ints
    masks: Masks
    counts: Ints

    def parsed(self, line: TextLine) -> Parsed:
        """The record as the parser has it, but for its triplets."""
        meter, head = self.meter, self.head
        known = (head.code, head.unit, head.stamp, head.constant, head.seconds)
        return Parsed(line, meter, *known, [], [], [])

    def amounts(self) -> list[Amount | None]:
        """Its values as the parser has them."""
        missing = (self.masks & MISSING != 0).tolist()
        return [
            None if gone else Amount(Decimal(count).scaleb(-SCALE), count)
            for count, gone in zip(self.counts.tolist(), missing, strict=True)
        ]


class Triplets(NamedTuple):
    """Of m records: which are plain (m,), their ends, masks and counts (m, n)."""

    fine: npt.NDArray[np.bool_]
    ends: Sequence[Ints]
    masks: Masks
    counts: Ints


class Run(NamedTuple):
    """Times that follow one another: as text (n, 12) and as instants (n,)."""

    texts: Bytes
    ends: Ints


@dataclass(slots=True)
class Plainly:
    """Plain records by the reader's options, which are the parser's."""

    parser: Parser
    heads: dict[tuple[bytes, ...], Head | None] = field(default_factory=dict)
    runs: dict[tuple[bytes, int, int], Run] = field(default_factory=dict)
    identifier: str = field(init=False)
    masks: dict[bool, npt.NDArray[np.int64]] = field(init=False)

    def __post_init__(self) -> None:
        self.identifier = IDENTIFIERS[self.parser.options["meter_id"]]
        self.masks = {sensus: self._letters(sensus) for sensus in (False, True)}

    def _letters(self, sensus: bool) -> npt.NDArray[np.int64]:
        """Masks by a flag's one letter; last that of an empty one."""
        texts = [bytes((n,)) if 32 < n < 127 else b"?" for n in range(256)]
        flags = [self.parser.flags[sensus][text] for text in [*texts, b""]]
        return np.array([ODD if flag.warnings else flag.mask for flag in flags], np.int64)

    def records(self, lines: Sequence[bytes]) -> list[Plain | None]:
        """The records of some lines with their ends; None for those that are not plain."""
        found: list[Plain | None] = [None] * len(lines)
        block = b"".join(lines)
        if self.parser.options["times"] != "UTC" or b"," not in block:
            return found
        data, starts, ends, commas, firsts, counts = LineArrays.of(block, lines)
        points = np.flatnonzero(data == POINT)
        groups: dict[tuple[Head, int], list[tuple[int, str]]] = defaultdict(list)
        head_ends = commas[np.minimum(firsts + HEADER - 1, len(commas) - 1)].tolist()
        for place, (start, end, count) in enumerate(
            zip(starts.tolist(), head_ends, counts.tolist(), strict=True)
        ):
            size, rest = divmod(count - HEADER + 1, 3)
            if size > 0 and not rest:
                known = self._head(block[start:end], size)
                if known is not None:
                    groups[known[1], size].append((place, known[0]))
        for (head, size), mine in groups.items():
            rows = np.array([place for place, _ in mine])
            at = commas[firsts[rows, None] + np.arange(HEADER - 1, HEADER - 1 + 3 * size)]
            after = np.concatenate([at[:, 1:], ends[rows, None]], axis=1)
            made = self._triplets(data, points, head, at + 1, after)
            if made is None:
                continue
            for n, (place, meter) in enumerate(mine):
                if made.fine[n]:
                    found[place] = Plain(meter, head, made.ends[n], made.masks[n], made.counts[n])
        return found

    def _head(self, text: bytes, size: int) -> tuple[str, Head] | None:
        """Meter and header; None if it is not plain or says another count."""
        fields = text.split(b",")
        if fields[-1] != b"%d" % size or text.translate(None, BARE):
            return None
        key = (fields[0], fields[1], fields[6], *fields[METER + 1 :])
        if key not in self.heads:
            if len(self.heads) > 1 << 12:
                self.heads.clear()
            self.heads[key] = self._declared(fields, size)
        head = self.heads[key]
        meter = fields[METER].decode()
        if head is None or not meter or identifier_fault(self.identifier, meter):
            return None
        return meter, head

    def _declared(self, fields: list[bytes], size: int) -> Head | None:
        """What the parser makes of such a header; None where it warns or refuses."""
        triplets = [fields[6], b"", b"0"] * size
        text = b",".join([*fields[:METER], b"1", *fields[METER + 1 :], *triplets])
        odd: set[str] = set()
        try:
            parsed = self.parser.parse(TextLine(1, 0, text), lambda code, *_, **__: odd.add(code))
        except RecordError:
            return None
        if parsed is None or odd - {UNEVEN} or parsed.unit.register or not parsed.seconds:
            return None
        stamp, constant, seconds = parsed.stamp, parsed.constant, parsed.seconds
        return Head(
            parsed.code, parsed.unit, stamp, constant, seconds, fields[1] == SENSUS.encode()
        )

    def _triplets(
        self, data: Bytes, points: Ints, head: Head, starts: Ints, ends: Ints
    ) -> Triplets | None:
        """The triplets of records of one header and size, (m, 3n)."""
        times, flags, values = (slice(n, None, 3) for n in range(3))
        fine = (ends[:, times] - starts[:, times] == STAMP_SIZE).all(axis=1)
        if not fine.any():
            return None
        places = np.minimum(starts[:, 0, None] + np.arange(STAMP_SIZE), len(data) - 1)
        firsts = data[places].tobytes()
        size = starts.shape[1] // 3
        runs: dict[bytes, int] = {}
        which = np.zeros(len(starts), np.int64)
        tables: list[Bytes] = []
        instants: list[Ints] = []
        for row in np.flatnonzero(fine).tolist():
            text = firsts[STAMP_SIZE * row : STAMP_SIZE * (row + 1)]
            if text not in runs:
                runs[text] = len(tables)
                run = self._run(text, head.seconds, size)
                tables.append(run.texts)
                instants.append(run.ends)
            which[row] = runs[text]
        told = data[np.minimum(starts[:, times, None] + np.arange(STAMP_SIZE), len(data) - 1)]
        fine &= (told == np.array(tables)[which]).all(axis=(1, 2))
        length = ends[:, flags] - starts[:, flags]
        letters = data[np.minimum(starts[:, flags], len(data) - 1)].astype(np.intp)
        letters[length != 1] = 256
        masks = self.masks[head.sensus][letters]
        fine &= ((length <= 1) & (masks != ODD)).all(axis=1)
        low, high = starts[:, values].ravel(), ends[:, values].ravel()
        middle = middles(low, high, points)
        if middle is None:
            return None
        counts, plain = spans_read(data, low, middle, high, SCALE)
        counts, plain = counts.reshape(masks.shape), plain.reshape(masks.shape)
        missing = masks & MISSING != 0
        counts[missing] = 0
        fine &= (plain | missing).all(axis=1)
        return Triplets(
            fine, [instants[n] for n in which.tolist()], masks.astype(np.uint16), counts
        )

    def _run(self, first: bytes, seconds: int, size: int) -> Run:
        """The run that begins with a time; one of no digits if that is none."""
        key = (first, seconds, size)
        if key not in self.runs:
            if len(self.runs) > 1 << 10:
                self.runs.clear()
            self.runs[key] = self._made(*key)
        return self.runs[key]

    def _made(self, first: bytes, seconds: int, size: int) -> Run:
        try:
            start = self.parser.stamps[first]
        except ValueError:
            start = YEAR_3000
        ends = start + seconds * np.arange(size, dtype=np.int64)
        if int(ends[-1]) >= YEAR_3000:
            return Run(np.zeros((size, STAMP_SIZE), np.uint8), ends)
        texts = b"".join(STAMP.put(end, "time", STAMP_SIZE) for end in ends.tolist())
        return Run(np.frombuffer(texts, np.uint8).reshape(size, STAMP_SIZE), ends)
