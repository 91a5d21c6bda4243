"""Answers as lines, and lines as tables."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Line:
    """One comparison. `ratio` says how many times better TMS is; `aim` what it should be.

    With `at_most` a lower ratio is better. Without a ratio the line is there to be known.
    """

    what: str
    ours: str
    other: str = ""
    ratio: float | None = None
    aim: float | None = None
    at_most: bool = False

    def cells(self) -> tuple[str, ...]:
        """What, ours, the alternative's, the ratio, the aim and whether it is met."""
        ratio = "" if self.ratio is None else f"{self.ratio:.{1 if self.ratio >= 3 else 2}f}"
        if self.aim is None or self.ratio is None:
            return (self.what, self.ours, self.other, ratio, "", "")
        met = self.ratio <= self.aim if self.at_most else self.ratio >= self.aim
        aim = f"{'≤' if self.at_most else '≥'} {self.aim:g}"
        return (self.what, self.ours, self.other, ratio, aim, "yes" if met else "no")

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


HEADS = ("", "TMS", "alternative", "ratio", "aim", "met")


def table(title: str, notes: Iterable[str], lines: Iterable[Line]) -> str:
    """A table in Markdown, readable as it stands."""
    rows = [HEADS, *(line.cells() for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADS))]

    def row(cells: Iterable[str]) -> str:
        texts = [
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return "| " + " | ".join(texts) + " |"

    rule = "|" + "|".join(
        "-" * (width + 2) if column == 0 else "-" * (width + 1) + ":"
        for column, width in enumerate(widths)
    )
    return "\n".join(
        [f"## {title}", "", *notes, "", row(rows[0]), rule + "|", *map(row, rows[1:]), ""]
    )


def seconds(value: float) -> str:
    return f"{value:.2f} s" if value < 10 else f"{value:.1f} s"


def rate(count: float, elapsed: float) -> str:
    """Intervals a second."""
    per_second = count / elapsed
    return f"{per_second / 1e6:.2f} M/s" if per_second >= 1e6 else f"{per_second / 1e3:.0f} k/s"
