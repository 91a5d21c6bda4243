"""Pure: what every plot shares (its window, its ticks, its opening), and plots of bars."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import date
from html import escape
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LEFT, RIGHT, TOP, BOTTOM = 56, 12, 36, 28


class Scale(NamedTuple):
    """The plot's window: epoch seconds across, values up."""

    start: int
    end: int
    low: float
    high: float
    width: int
    height: int
    top: int = TOP

    def x(self, at: Floats | Ints | float) -> Floats:
        inner = self.width - LEFT - RIGHT
        return LEFT + (np.asarray(at, float) - self.start) / (self.end - self.start) * inner

    def y(self, value: Floats | float) -> Floats:
        inner = self.height - self.top - BOTTOM
        share = (np.asarray(value, float) - self.low) / (self.high - self.low)
        return self.height - BOTTOM - share * inner


def opening(kind: str, key: str, width: int, height: int) -> Iterator[str]:
    """The tag of a plot; its title has the id `key`-t, its description `key`-d."""
    yield f'<svg class="plot {kind}" viewBox="0 0 {width} {height}" role="img" '
    yield f'aria-labelledby="{key}-t {key}-d" preserveAspectRatio="xMidYMid meet">'


def ticks(low: float, high: float, wanted: int = 6) -> list[float]:
    """Round numbers between two values, about so many."""
    step = 10 ** math.floor(math.log10((high - low) / wanted))
    for factor in (1, 2, 5, 10):
        if (high - low) / (step * factor) <= wanted:
            step *= factor
            break
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(n * step, 12) for n in range(first, last + 1)]


def day_bars(
    days: Sequence[tuple[date, int]],
    title: str,
    *,
    key: str = "bars",
    width: int = 640,
    height: int = 320,
) -> str:
    """A bar a day with its total, as SVG."""
    high = max([total for _, total in days] + [1])
    scale = Scale(0, len(days), 0.0, high * 1.05, width, height, top=12)
    base, slot = height - BOTTOM, (width - LEFT - RIGHT) / len(days)
    said = ", ".join(f"{day:%d %b}: {total:,}" for day, total in days)
    parts = [
        *opening("bars", key, width, height),
        f'<title id="{key}-t">{escape(title)}</title><desc id="{key}-d">{said}</desc>',
    ]
    for value in ticks(0, scale.high, 5):
        y = float(scale.y(value))
        parts.append(f'<path class="{"grid" if value else "zero"}" d="M{LEFT} {y:.1f}H{width}"/>')
        parts.append(f'<text class="tick y" x="{LEFT - 7}" y="{y + 4:.1f}">{short(value)}</text>')
    for index, (day, total) in enumerate(days):
        x, y = LEFT + index * slot, float(scale.y(total))
        rise = base - y if total else 0
        parts.append(
            f'<g class="bar"><title>{day:%a %d %b}: {total:,}</title>'
            f'<rect class="hit" x="{x:.1f}" y="12" width="{slot:.1f}" height="{base - 12}"/>'
            f'<rect class="fill" x="{x + slot * 0.16:.1f}" y="{base - rise:.1f}" '
            f'width="{slot * 0.68:.1f}" height="{rise:.1f}" rx="2"/></g>'
        )
        if (len(days) - 1 - index) % 2 == 0 or len(days) <= 7:
            parts.append(
                f'<text class="tick" x="{x + slot / 2:.1f}" y="{base + 18}" '
                f'text-anchor="middle">{day:%d %b}</text>'
            )
    return "".join([*parts, "</svg>"])


def short(value: float) -> str:
    """A large number in few characters: 1200000 is 1.2M."""
    for limit, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:g}{suffix}"
    return f"{value:g}"
