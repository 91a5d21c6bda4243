"""Lines of one shape: whatever the widths of their texts, the bytes are those of plain joining."""

import numpy as np
from hypothesis import given, settings, strategies as st

from exports.formats.fast import bytes_column, texts_of
from exports.formats.lines import Layer, Shared, bytes_of, heads_of, lines_join

WORDS = st.binary(min_size=1, max_size=19).map(lambda text: text.replace(b"\0", b"0"))
LISTS = st.lists(WORDS, min_size=1, max_size=5)


@settings(deadline=None)
@given(st.data())
def test_lines_are_their_texts_joined(data):
    records, count = data.draw(st.integers(1, 7)), data.draw(st.integers(1, 5))
    seed = np.random.default_rng(data.draw(st.integers(0, 1 << 20)))
    heads, fixed, shared = (data.draw(LISTS) for _ in range(3))
    tables = data.draw(st.lists(LISTS, min_size=1, max_size=3))
    ending = data.draw(WORDS)
    head_of = seed.integers(0, len(heads), records)
    kinds = seed.integers(0, len(fixed), records)
    slots = seed.integers(0, len(shared), (len(fixed), count))
    chosen = [seed.integers(0, len(table), (records, count)) for table in tables]
    expected = [
        heads[head_of[line]]
        + fixed[kinds[line]]
        + b"".join(
            shared[slots[kinds[line], group]]
            + b"".join(table[of[line, group]] for table, of in zip(tables, chosen, strict=True))
            for group in range(count)
        )
        + ending
        for line in range(records)
    ]
    layers = [Layer(texts_of(t), of) for t, of in zip(tables, chosen, strict=True)]
    texts = texts_of(shared)
    joined = b"".join(expected)
    given_heads = heads_of(texts_of(heads)).take(head_of, axis=0)
    what = Shared(bytes_of(texts_of(fixed)), texts, slots, ending, kinds)
    assert lines_join(given_heads, what, layers, len(joined)) == joined
    for layer, table, of in zip(layers, tables, chosen, strict=True):
        lengths = np.array(list(map(len, table)))[of].sum(axis=1)
        assert np.array_equal(np.broadcast_to(layer.sizes(), lengths.shape), lengths)


@given(st.lists(st.text("abc9", max_size=6), min_size=1, max_size=6))
def test_a_column_of_texts_is_what_numpy_makes_of_them(texts):
    assert bytes_column(texts, len(texts)).tolist() == [text.encode() for text in texts]
    assert bytes_column(texts[:1], 3).tolist() == [texts[0].encode()] * 3
