"""Records of the plainest form, read a block of lines at a time, on arrays.

Plain is a MEPMD01 of intervals without quotes or blanks, whose times are all there and follow one
another by Interval, with flags that need no warning and plain numbers beside them. Plain records of
one meter that follow one another are one. Every other line is `None` and is read by the parser,
which tells what is odd about it; a test holds the two equal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from devices.readings import Ints, Masks, Status, identifier_fault
from exports.formats.cmep.parse import HEADER, SCALE, YEAR_3000, Amount, Parsed, Parser, RecordError
from exports.formats.cmep.tables import IDENTIFIERS, SENSUS, STAMP, Unit
from exports.formats.eights import Flags, Words
from exports.formats.linearrays import COMMA, LineArrays
from exports.formats.text import TextLine
from exports.formats.words import SIZE, changes, numbers_read, span_words

STAMP_SIZE = 12
METER = 7  # place of the meter's id in the header
MISSING = int(Status.MISSING)
UNEVEN = "CMR58"  # of the times that a header is tried with
BARE = bytes(range(0x21, 0x7F)).replace(b'"', b"")  # what a header may hold
QUOTE = 34
ODD = 1 << 16  # no mask: a flag that the parser looks at
WIDEST = 32  # words of a header, on either side of the meter
KEPT = 1 << 17  # names remembered


class Head(NamedTuple):
    """What a header says but for its meter; `place`: its own among the headers of the file."""

    place: int
    code: str
    unit: Unit
    stamp: int
    constant: Decimal
    seconds: int
    sensus: bool


class Run(NamedTuple):
    """Times that follow one another: as words of text (n,) and as instants (n,); `place`: its own
    among the runs of the file."""

    place: int
    words: tuple[Words, Words]
    ends: Ints


class Plain(NamedTuple):
    """Records read, `lines` of them; shapes (n,), counts of 10**-scale, 0 where missing. No coarser
    scale from 0 on keeps the counts."""

    meter: str
    head: Head
    run: int
    ends: Ints
    masks: Masks
    counts: Ints
    scale: int
    lines: int = 1

    def records(self) -> Iterator[Plain]:
        """Each by itself, all of one size."""
        size = len(self.ends) // self.lines
        for first in range(0, len(self.ends), size):
            part = slice(first, first + size)
            arrays = self.ends[part], self.masks[part], self.counts[part]
            yield Plain(self.meter, self.head, -1, *arrays, self.scale)

    def parsed(self, line: TextLine) -> Parsed:
        """A record as the parser has it, but for its triplets."""
        meter, head = self.meter, self.head
        known = (head.code, head.unit, head.stamp, head.constant, head.seconds)
        return Parsed(line, meter, *known, [], [], [])

    def amounts(self) -> list[Amount | None]:
        """Its values as the parser has them."""
        missing = (self.masks & MISSING != 0).tolist()
        units = 10 ** (SCALE - self.scale)
        return [
            None if gone else Amount(Decimal(count).scaleb(-self.scale), count * units)
            for count, gone in zip(self.counts.tolist(), missing, strict=True)
        ]


class Group(NamedTuple):
    """Records of one header and size, (m,): their lines, their meters ('' where that is odd)."""

    head: Head
    size: int
    rows: Ints
    meters: list[str]


class Triplets(NamedTuple):
    """Of m records: which are plain (m,), their runs, masks and counts (m, n) of 10**-SCALE."""

    fine: Flags
    runs: list[Run]
    masks: Masks
    counts: Ints


@dataclass(slots=True)
class Plainly:
    """Plain records by the reader's options, which are the parser's."""

    parser: Parser
    heads: dict[tuple[bytes, ...], Head | None] = field(default_factory=dict)
    runs: dict[tuple[bytes, int, int], Run] = field(default_factory=dict)
    joined: dict[tuple[int, ...], tuple[int, Ints]] = field(default_factory=dict)
    names: dict[bytes, str] = field(default_factory=dict)
    places: int = 0  # given to heads and runs so far
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

    def records(self, lines: LineArrays) -> list[Plain | None]:
        """The records of some lines, at the first of those that are one; None for those that are
        not plain."""
        found: list[Plain | None] = [None] * len(lines)
        if self.parser.options["times"] == "UTC":
            for group in self._groups(lines):
                for place, plain in self._plain(lines, group):
                    found[place] = plain
        return found

    # --- headers --------------------------------------------------------------------------------
    def _groups(self, lines: LineArrays) -> Iterator[Group]:
        """The records that may be plain."""
        sizes, rest = np.divmod(lines.counts - HEADER + 1, 3)
        # One more, empty cell is the slot of a check sum.
        slot = (rest == 1) & (lines.data[lines.ends - 1] == COMMA)
        rows = np.flatnonzero((sizes > 0) & ((rest == 0) | slot) & _bare(lines))
        at = lines.commas[lines.firsts[rows, None] + np.arange(HEADER)]
        starts = lines.starts[rows]
        spans = [
            (starts, at[:, 1]),
            (at[:, 5] + 1, at[:, 6]),
            (at[:, METER] + 1, at[:, HEADER - 1]),
        ]
        short = np.all([ends - starts <= WIDEST * SIZE for starts, ends in spans], axis=0)
        rows, at = rows[short], at[short]
        if not len(rows):
            return
        spans = [(starts[short], ends[short]) for starts, ends in spans]
        said = [sizes[rows].astype(np.uint64)]
        for span in spans:
            said += span_words(lines.words, *span, WIDEST)
        begun = np.flatnonzero(changes(said))
        groups: dict[tuple[int, int], tuple[Head, list[Ints]]] = {}
        for first, until in zip(begun.tolist(), [*begun[1:].tolist(), len(rows)], strict=True):
            size = int(sizes[rows[first]])
            key = tuple(lines.text[int(starts[first]) : int(ends[first])] for starts, ends in spans)
            head = self._head(key, size)
            if head is not None:
                group = groups.setdefault((head.place, size), (head, []))
                group[1].append(np.arange(first, until))
        for (_, size), (head, parts) in groups.items():
            mine = np.concatenate(parts)
            pairs = at[mine, METER - 1 : METER + 1].tolist()
            names = [self._name(lines.text[before + 1 : end]) for before, end in pairs]
            yield Group(head, size, rows[mine], names)

    def _name(self, text: bytes) -> str:
        """A meter's id; none if it is not plain."""
        name = self.names.get(text)
        if name is None:
            name = text.decode()
            name = "" if name and identifier_fault(self.identifier, name) else name
            if len(self.names) < KEPT:
                self.names[text] = name
        return name

    def _head(self, key: tuple[bytes, ...], size: int) -> Head | None:
        """A header by what it says but for parties and meter; None if it is not plain or says
        another count."""
        if key[-1][key[-1].rfind(b",") + 1 :] != b"%d" % size:
            return None
        if key not in self.heads:
            if len(self.heads) > 1 << 12:
                self.heads.clear()
            self.heads[key] = self._declared(key, size)
        return self.heads[key]

    def _declared(self, key: tuple[bytes, ...], size: int) -> Head | None:
        """What the parser makes of such a header; None where it warns or refuses."""
        kind, stamp, rest = key
        text = b"%s,,,,,%s,1,%s" % (kind, stamp, rest) + b",%s,,0" % stamp * size
        odd: set[str] = set()
        try:
            parsed = self.parser.parse(TextLine(1, 0, text), lambda code, *_, **__: odd.add(code))
        except RecordError:
            return None
        if parsed is None or odd - {UNEVEN} or parsed.unit.register or not parsed.seconds:
            return None
        known = (parsed.code, parsed.unit, parsed.stamp, parsed.constant, parsed.seconds)
        return Head(self._place(), *known, kind.endswith(SENSUS.encode()))

    def _place(self) -> int:
        self.places += 1
        return self.places

    # --- triplets -------------------------------------------------------------------------------
    def _plain(self, lines: LineArrays, group: Group) -> Iterator[tuple[int, Plain]]:
        """The records of a group that are plain, and the line of each."""
        made = self._triplets(lines, group)
        rows, meters, runs = group.rows.tolist(), group.meters, made.runs
        good = made.fine & np.array([meter != "" for meter in meters], np.bool_)
        fine = good.tolist()
        parts = []  # of records, those that are one
        first = 0
        while first < len(rows):
            last = first + 1
            if fine[first]:
                while (
                    last < len(rows)
                    and fine[last]
                    and meters[last] == meters[first]
                    and rows[last] == rows[last - 1] + 1
                    and runs[last].ends[0] > runs[last - 1].ends[-1]
                ):
                    last += 1
                parts.append((first, last))
            first = last
        if not parts:
            return
        firsts = np.array([first for first, _ in parts])
        counts, scales = _coarsest(made.counts, good, firsts)
        for (first, last), scale in zip(parts, scales.tolist(), strict=True):
            place, ends = runs[first].place, runs[first].ends
            if last > first + 1:
                place, ends = self._joined(runs[first:last])
            yield (
                rows[first],
                Plain(
                    *(meters[first], group.head, place, ends),
                    *(made.masks[first:last].reshape(-1), counts[first:last].reshape(-1), scale),
                    last - first,
                ),
            )

    def _joined(self, runs: Sequence[Run]) -> tuple[int, Ints]:
        """The times of runs one after the other."""
        key = tuple(run.place for run in runs)
        if key not in self.joined:
            if len(self.joined) > 1 << 10:
                self.joined.clear()
            self.joined[key] = self._place(), _fixed(np.concatenate([run.ends for run in runs]))
        return self.joined[key]

    def _triplets(self, lines: LineArrays, group: Group) -> Triplets:
        """What the records of a group say."""
        data, words, rows = lines.data, lines.words, group.rows
        first = lines.firsts[rows, None] + (HEADER - 1)
        at = lines.commas[first + np.arange(1 + 3 * group.size)]
        starts, ends = at[:, :-1] + 1, at[:, 1:].copy()
        ends[:, -1] = np.minimum(ends[:, -1], lines.ends[rows])
        times, flags, values = (slice(n, None, 3) for n in range(3))
        begin = starts[:, times]
        fine = (ends[:, times] - begin == STAMP_SIZE).all(axis=1)
        runs: dict[bytes, int] = {}
        found: list[Run] = []
        which = []
        for start in begin[:, 0].tolist():
            text = lines.text[start : start + STAMP_SIZE]
            if text not in runs:
                runs[text] = len(found)
                found.append(self._run(text, group.head.seconds, group.size))
            which.append(runs[text])
        for n, room in enumerate((0, STAMP_SIZE - SIZE)):
            wanted = np.array([run.words[n] for run in found])
            fine &= (words[begin + room] == wanted[which]).all(axis=1)
        length = ends[:, flags] - starts[:, flags]
        letters = data[starts[:, flags]].astype(np.intp)
        letters[length != 1] = 256
        masks = self.masks[group.head.sensus][letters]
        fine &= ((length <= 1) & (masks != ODD)).all(axis=1)
        read = numbers_read(data, words, starts[:, values].ravel(), ends[:, values].ravel())
        counts, plain = read.counts_of(SCALE)
        counts, plain = counts.reshape(masks.shape), plain.reshape(masks.shape)
        missing = masks & MISSING != 0
        if missing.any():
            counts[missing] = 0
            plain = plain | missing
        fine &= plain.all(axis=1)
        return Triplets(fine, [found[n] for n in which], masks.astype(np.uint16), counts)

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
        ends = _fixed(start + seconds * np.arange(size, dtype=np.int64))
        text = bytes(STAMP_SIZE * size)
        if int(ends[-1]) < YEAR_3000:
            text = b"".join(STAMP.put(end, "time", STAMP_SIZE) for end in ends.tolist())
        texts = np.frombuffer(text, np.uint8).reshape(size, STAMP_SIZE)
        parts = texts[:, :SIZE], texts[:, STAMP_SIZE - SIZE :]
        low, high = (np.ascontiguousarray(part).view("<u8").ravel() for part in parts)
        return Run(self._place(), (low, high), ends)


def _bare(lines: LineArrays) -> Flags:
    """Which lines are of nothing but what a header may hold, (n,)."""
    odd = np.flatnonzero(
        (lines.data - np.uint8(BARE[0]) > BARE[-1] - BARE[0]) | (lines.data == QUOTE)
    )
    of = np.searchsorted(lines.starts, odd, "right") - 1
    fine = np.ones(len(lines), np.bool_)
    fine[of[(of >= 0) & (odd < lines.ends[of])]] = False
    return fine


def _fixed(ends: Ints) -> Ints:
    """Times that many share are not changed."""
    ends.flags.writeable = False
    return ends


def _coarsest(counts: Ints, fine: Flags, firsts: Ints) -> tuple[Ints, Ints]:
    """The records' counts (m, n) at the coarsest scale from 0 on that keeps those of their part,
    and the scales of the parts, each from a record to before the next one's."""
    steps = np.zeros(len(counts), np.int64)
    left = np.flatnonzero(fine)
    for step in range(1, SCALE + 1):
        left = left[(counts[left] % 10**step == 0).all(axis=1)]
        steps[left] = step
    steps[~fine] = SCALE
    steps = np.minimum.reduceat(steps, firsts)
    units = 10 ** np.repeat(steps, np.diff(firsts, append=len(counts)))
    found = counts.copy()
    found[firsts[0] :] //= units[:, None]
    return found, SCALE - steps
