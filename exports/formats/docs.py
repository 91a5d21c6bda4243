"""Documentation out of the declarations: the tables of a format's page, written between marks.

A page is prose by hand; what stands between `<!-- generated: NAME -->` and `<!-- end -->` is made
from the format's tables. A page that lacks one of them, or names another, is an error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from exports.formats.base import Format, Table

_BLOCK = re.compile(r"(<!-- generated: ([^\n]*?) -->\n).*?(<!-- end -->)", re.DOTALL)


class DocsError(ValueError):
    """A page and its format's tables do not fit together."""


def markdown(table: Table) -> str:
    """A table in Markdown; the first row is the heading."""
    rows = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in table]
    rows.insert(1, ["---"] * len(rows[0]))
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def page_render(page: str, tables: Mapping[str, Table], name: str) -> str:
    """The page with its generated blocks as the tables have them; `name` is for errors."""
    found: list[str] = []

    def block(match: re.Match[str]) -> str:
        found.append(match[2])
        if match[2] not in tables:
            raise DocsError(f"{name}: no table {match[2]!r}; there are: {', '.join(tables)}")
        return match[1] + markdown(tables[match[2]]) + match[3]

    rendered = _BLOCK.sub(block, page)
    if lacking := [table for table in tables if table not in found]:
        raise DocsError(f"{name} lacks the block {', '.join(lacking)}")
    return rendered


def index_table(formats: Sequence[Format]) -> Table:
    """All formats, for the index page."""
    rows = [
        (
            f"[{fmt.code}]({fmt.code}.md)",
            fmt.label,
            ", ".join(
                what
                for what, has in (
                    ("intervals", fmt.intervals),
                    ("registers", fmt.registers),
                    ("events", fmt.events),
                )
                if has
            ),
            ", ".join(how for how, can in (("write", fmt.writable), ("read", fmt.readable)) if can),
            f"`{fmt.default_name}`",
        )
        for fmt in formats
    ]
    return [("Format", "Name", "Data", "Direction", "File name"), *rows]
