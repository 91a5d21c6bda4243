"""Pure: how many were out over time, as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from html import escape
from zoneinfo import ZoneInfo

from devices.charts import BOTTOM, LEFT, RIGHT, Scale, opening, short, ticks

TOP = 14
LABEL_WIDTH = 150  # pixels that a label takes


def outage_timeline(
    start: datetime,
    step: timedelta,
    counts: Sequence[int],
    zone: str,
    *,
    key: str = "outages",
    width: int = 960,
    height: int = 220,
) -> str:
    """The number of open outages, a value for each step from `start` on."""
    first, seconds = int(start.timestamp()), int(step.total_seconds())
    last = first + seconds * len(counts)
    scale = Scale(first, last, 0.0, max([*counts, 1]) * 1.08, width, height, TOP)
    said = describe(start, step, counts, zone)
    parts = [
        *opening("outages", key, width, height),
        f'<title id="{key}-t">Meters without power</title>',
        f'<desc id="{key}-d">{escape(said)}</desc>',
    ]
    for value in ticks(0, scale.high, 4):
        if value == int(value):
            y = float(scale.y(value))
            parts.append(f'<path class="{"grid" if value else "zero"}" d="M{LEFT} {y:.1f}')
            parts.append(f'H{width - RIGHT}"/><text class="tick y" x="{LEFT - 7}" ')
            parts.append(f'y="{y + 4:.1f}">{short(value)}</text>')
    info = ZoneInfo(zone)
    labels = max((width - LEFT - RIGHT) // LABEL_WIDTH, 1)
    for n in range(labels + 1):
        at = first + (last - first) * n // labels
        anchor = {0: "start", labels: "end"}.get(n, "middle")
        parts.append(
            f'<text class="tick" x="{float(scale.x(at)):.1f}" y="{height - BOTTOM + 18}" '
            f'text-anchor="{anchor}">{datetime.fromtimestamp(at, info):%d %b %H:%M}</text>'
        )
    path = f"M{LEFT} {float(scale.y(0.0)):.1f}"
    for n, count in enumerate(counts):
        x = float(scale.x(first + seconds * (n + 1)))
        path += f"V{float(scale.y(float(count))):.1f}H{x:.1f}"
    parts.append(f'<path class="area" d="{path}V{float(scale.y(0.0)):.1f}Z"/>')
    parts.append(f'<path class="line" d="M{path.partition("V")[0][1:]}V{path.partition("V")[2]}"/>')
    return "".join([*parts, "</svg>"])


def describe(start: datetime, step: timedelta, counts: Sequence[int], zone: str) -> str:
    """What the plot shows, in words."""
    info = ZoneInfo(zone)
    if not any(counts):
        return f"Nobody was out since {start.astimezone(info):%d %b %H:%M}."
    most = max(counts)
    when = start + step * (counts.index(most) + 1)
    return f"{counts[-1]:,} out at the end; most, {most:,}, at {when.astimezone(info):%d %b %H:%M}."
