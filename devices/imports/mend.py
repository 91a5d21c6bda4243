"""What can surely be mended in a cell: its edges, and the wrappers that spreadsheets need."""

from __future__ import annotations

INVISIBLE = "".join(
    map(chr, (0xA0, *range(0x200B, 0x2010), *range(0x202A, 0x202F), 0x2060, 0xFEFF))
)
BLANKS = " \t"
_EDGES = BLANKS + INVISIBLE


def mend(text: str) -> tuple[str, bool]:
    """The cell trimmed, unwrapped and trimmed again; and whether invisible characters went.

    `="00123"` and one leading apostrophe are wrappers that keep a spreadsheet from changing a
    text. Of a cell in which nothing is left nothing is said.
    """
    bare = text.strip(_EDGES)
    invisible = bare != text.strip(BLANKS)
    if bare[:2] == '="' and bare[-1] == '"' and len(bare) > 2:
        inner = bare[2:-1]
        if '"' not in inner.replace('""', ""):
            bare, again = mend_edges(inner.replace('""', '"'))
            invisible |= again
    elif bare[:1] == "'":
        bare, again = mend_edges(bare[1:])
        invisible |= again
    return bare, invisible and bool(bare)


def mend_edges(text: str) -> tuple[str, bool]:
    """The text without blanks and invisible characters at its edges; whether the latter went."""
    bare = text.strip(_EDGES)
    return bare, bare != text.strip(BLANKS)
