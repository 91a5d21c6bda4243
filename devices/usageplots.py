"""Pure: what was used between register reads, as SVG: a block a step, its height the use a day.

A block's area is then what was used. Colours come from the stylesheet by class.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from html import escape
from zoneinfo import ZoneInfo

from devices.charts import BOTTOM, LEFT, RIGHT, TOP, Scale, opening, short, ticks
from devices.consumption import BACKWARDS, ESTIMATED, EXCHANGE, ROLLOVER, UNMEASURED, Step
from devices.readings import DAY

WIDTH, HEIGHT = 960, 240
MARKS = {
    ROLLOVER: "rolled over",
    EXCHANGE: "meter exchanged",
    UNMEASURED: "not measured",
    BACKWARDS: "went back",
    ESTIMATED: "estimated or edited",
}
LABEL_WIDTH = 130  # pixels that a day's label takes


def usage_blocks(steps: Sequence[Step], name: str, unit: str, zone: str, *, key: str) -> str:
    """The plot of some steps in the order of time; there is at least one that took time."""
    start, end = int(steps[0].start.time.timestamp()), int(steps[-1].end.time.timestamp())
    rates = [rate for step in steps if (rate := _rate(step)) is not None]
    low, high = min([*rates, 0.0]), max([*rates, 0.0]) or 1.0
    scale = Scale(start, end, low * 1.1, high * 1.1, WIDTH, HEIGHT)
    parts = [
        *opening("usage", key, WIDTH, HEIGHT),
        f'<title id="{key}-t">{escape(name)}: {unit} a day between reads</title>',
        f'<desc id="{key}-d">{escape(describe(steps, unit))}</desc>',
        f'<text class="tick" x="{LEFT - 48}" y="16">{unit} a day</text>',
        *_frame(scale, ZoneInfo(zone)),
    ]
    for step in steps:
        parts += _block(step, scale, unit, ZoneInfo(zone))
    return "".join([*parts, "</svg>"])


def describe(steps: Sequence[Step], unit: str) -> str:
    """What the plot shows, in words."""
    known = [step for step in steps if step.amount is not None]
    said = f"{len(steps)} steps between reads"
    if known:
        most = max(known, key=lambda step: step.amount or 0)
        said += f"; most, {most.amount:f} {unit}, up to {most.end.time:%Y-%m-%d}"
    marks = [MARKS[mark] for mark in dict.fromkeys(m for step in steps for m in step.marks)]
    return said + "".join(f"; {mark}" for mark in marks) + "."


def _seconds(step: Step) -> float:
    return (step.end.time - step.start.time).total_seconds()


def _rate(step: Step) -> float | None:
    """Use a day; for drawing only."""
    if step.amount is None or not _seconds(step):
        return None
    return float(step.amount) / _seconds(step) * DAY


def _frame(scale: Scale, zone: ZoneInfo) -> Iterator[str]:
    for value in ticks(scale.low, scale.high, 5):
        y = float(scale.y(value))
        yield f'<path class="{"grid" if value else "zero"}" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
        yield f'<text class="tick y" x="{LEFT - 7}" y="{y + 4:.1f}">{short(value)}</text>'
    labels = max((WIDTH - LEFT - RIGHT) // LABEL_WIDTH, 1)
    for n in range(labels + 1):
        at = scale.start + (scale.end - scale.start) * n // labels
        anchor = {0: "start", labels: "end"}.get(n, "middle")
        yield (
            f'<text class="tick" x="{float(scale.x(at)):.1f}" y="{HEIGHT - BOTTOM + 18}" '
            f'text-anchor="{anchor}">{datetime.fromtimestamp(at, zone):%d %b %y}</text>'
        )


def _block(step: Step, scale: Scale, unit: str, zone: ZoneInfo) -> Iterator[str]:
    """A step's block, or what stands where none can be; its marks above it."""
    left, right = (float(scale.x(r.time.timestamp())) for r in (step.start, step.end))
    rate, floor = _rate(step), HEIGHT - BOTTOM
    words = ", ".join(MARKS[mark] for mark in step.marks)
    times = (f"{r.time.astimezone(zone):%d %b %Y %H:%M}" for r in (step.start, step.end))
    amount = "unknown" if step.amount is None else f"{step.amount:f} {unit}"
    title = f"<title>{' – '.join(times)}: {amount}{', ' + words if words else ''}</title>"
    if rate is None or UNMEASURED in step.marks:
        if right > left:
            yield (
                f'<g class="gap">{title}<rect x="{left:.1f}" y="{TOP}" '
                f'width="{right - left:.1f}" height="{floor - TOP}"/></g>'
            )
    else:
        y, zero = float(scale.y(rate)), float(scale.y(0.0))
        shade = " estimated" if ESTIMATED in step.marks else ""
        yield (
            f'<rect class="block{shade}" x="{left:.1f}" y="{min(y, zero):.1f}" '
            f'width="{max(right - left - 1, 0.5):.1f}" height="{abs(zero - y):.1f}">{title}</rect>'
        )
    for mark in (ROLLOVER, EXCHANGE, BACKWARDS):
        if mark in step.marks:
            at = right if mark == EXCHANGE else (left + right) / 2
            anchor = "end" if at > WIDTH - 120 else "start" if at < LEFT + 120 else "middle"
            yield (
                f'<g class="change"><path d="M{at:.1f} {TOP}V{floor}"/>'
                f'<text x="{at:.1f}" y="{TOP - 6}" text-anchor="{anchor}">{MARKS[mark]}</text></g>'
            )
