"""Ready-made texts as words: with the NULs deleted they are what they stand for."""

import numpy as np

from exports.formats.fast import template_texts


def lines(texts):
    return [row.tobytes().translate(None, b"\0") for row in texts.words]


def test_a_template_is_filled_for_many_rows_at_once():
    columns = [np.array([b"a", b"", b"ccc"]), np.array([b"1", b"22", b""])]
    texts = template_texts(b"x%s,5%%,%s;", columns)
    expected = [b"xa,5%,1;", b"x,5%,22;", b"xccc,5%,;"]
    assert lines(texts) == expected
    assert texts.sizes.tolist() == list(map(len, expected))
    assert texts.longest == 9


def test_a_template_without_columns_left_of_it_or_right():
    assert lines(template_texts(b"%s", [np.array([b"abcdefgh", b"i"])])) == [b"abcdefgh", b"i"]


def test_picked_rows_of_a_column_need_not_lie_together():
    column = np.array([b"aa", b"b", b"cc", b"d"])[::2]
    assert lines(template_texts(b"<%s>", [column])) == [b"<aa>", b"<cc>"]
