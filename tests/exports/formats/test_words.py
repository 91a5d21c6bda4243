"""Words of a text: lines, cells, numbers and known texts are those that Python finds."""

import io
import re
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from exports.formats import words as words_module
from exports.formats.issues import ReadReport
from exports.formats.linearrays import LineArrays, line_arrays
from exports.formats.words import WordTable, alike, changes, digits_read, numbers_read, span_words

TEXTS = st.lists(st.sampled_from([b"a", b"1", b",", b"\n", b"\r", b"\r\n"]), min_size=1).map(
    b"".join
)
CELLS = st.lists(st.text("0123456789.-/ :x", max_size=20).map(str.encode), min_size=1, max_size=20)
NUMBER = re.compile(rb"\d+(\.\d+)?")
WORDS = st.lists(st.sampled_from([b"", b"a", b"abcdefgh", b"abcdefgi", b"abcdefghi", b"a" * 16]))


def cells_of(cells: list[bytes]) -> tuple[LineArrays, np.ndarray, np.ndarray]:
    lines = LineArrays.of(b",".join(cells) + b"\n")
    starts, ends = lines.cells(np.array([0]), len(cells))
    return lines, starts[0], ends[0]


@given(text=TEXTS, size=st.integers(1, 9))
def test_lines_and_cells_are_those_of_the_text(text: bytes, size: int) -> None:
    wanted, offset = text.splitlines(keepends=True), 7
    found = LineArrays.of(text, 5, 7)
    assert len(found) == len(wanted)
    for place, line in enumerate(wanted):
        bare = line.rstrip(b"\r\n")
        assert found.line(place)[:3] == (5 + place, offset, bare)
        assert found.offsets[place] == offset
        starts, ends = found.cells(np.array([place]), int(found.counts[place]) + 1)
        spans = zip(starts[0].tolist(), ends[0].tolist(), strict=True)
        assert [found.text[start:end] for start, end in spans] == bare.split(b",")
        offset += len(line)

    class Trickle(io.BytesIO):
        def read(self, _: int | None = -1) -> bytes:
            return super().read(size)

    blocks = line_arrays(Trickle(text), ReadReport())
    read = [block.line(place)[:3] for block in blocks for place in range(len(block))]
    whole = LineArrays.of(text)
    assert read == [whole.line(place)[:3] for place in range(len(whole))]


@given(cells=CELLS)
def test_numbers_are_those_of_the_cells(cells: list[bytes]) -> None:
    lines, starts, ends = cells_of(cells)
    values, fine = digits_read(lines.words, ends, ends - starts)
    for cell, value, is_fine in zip(cells, values.tolist(), fine.tolist(), strict=True):
        assert is_fine == (cell.isdigit() and len(cell) <= 16)
        assert not is_fine or value == int(cell)
    numbers = numbers_read(lines.data, lines.words, starts, ends)
    counts, scaled = numbers.counts_of(5)
    for place, cell in enumerate(cells):
        plain, digits = NUMBER.fullmatch(cell), len(cell.replace(b".", b""))
        if not numbers.fine[place]:
            assert not plain or digits > 15
            continue
        assert plain
        value = Decimal(int(numbers.counts[place])).scaleb(-int(numbers.decimals[place]))
        assert value == Decimal(cell.decode())
        assert not scaled[place] or Decimal(int(counts[place])).scaleb(-5) == value


@settings(max_examples=50)
@given(texts=WORDS, more=WORDS)
def test_texts_are_known_again(texts: list[bytes], more: list[bytes]) -> None:
    table, numbers = WordTable(3), {}
    for given_texts in (texts, more, texts + more):
        cells = [*given_texts, b"end"]
        lines, starts, ends = cells_of(cells)
        words = span_words(lines.words, starts, ends, 2)
        pairs = zip(cells, [None, *cells], strict=False)
        assert changes(words).tolist() == [one != before for one, before in pairs]
        found = table.find(words)
        assert found.values.tolist() == [numbers.get(cell, -1) for cell in cells]
        unknown = np.flatnonzero(found.values < 0)
        groups = alike(words, unknown)
        said = [{cells[place] for place in group.tolist()} for group in groups]
        assert all(len(one) == 1 for one in said)
        assert len(said) == len({cells[place] for place in unknown.tolist()})
        for cell in cells:
            numbers.setdefault(cell, len(numbers))
        places = unknown.tolist()
        if places:
            table.keep(found, places, [numbers[cells[place]] for place in places])


def test_a_full_table_knows_some_and_never_the_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words_module, "BITS", 3)
    monkeypatch.setattr(words_module, "_BITS", (np.uint64(61), np.uint64(7)))
    cells = [b"text %d" % n for n in range(40)]
    lines, starts, ends = cells_of(cells)
    words = span_words(lines.words, starts, ends, 1)
    table = WordTable(2)
    for _ in range(3):
        found = table.find(words)
        unknown = np.flatnonzero(found.values < 0).tolist()
        table.keep(found, unknown, unknown)
    found = table.find(words)
    known = np.flatnonzero(found.values >= 0)
    assert 4 <= len(known) <= 8
    assert (found.values[known] == known).all()
