"""Pure: load curves as SVG, made on the server from arrays. Knows nothing of Django.

Colours come from the page's stylesheet by class, so light and dark are the stylesheet's affair.
Floats are for drawing only. Every plot carries a `<title>` and a `<desc>` that say in words what
it shows.
"""

from __future__ import annotations

import math
import zoneinfo
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from html import escape
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from devices.blocks import local_midnight
from devices.charts import BOTTOM, LEFT, RIGHT, TOP, Floats, Ints, Scale, opening, ticks
from devices.readings import ABSENT, DAY, Status

Masks = npt.NDArray[np.uint16]

WIDTH, HEIGHT = 960, 240
MISSING, ESTIMATED, EDITED, OUTAGE = (
    *(
        int(Status.MISSING),
        int(Status.ESTIMATED),
        int(Status.EDITED),
        int(Status.POWER_OUTAGE),
    ),
)
LABEL_WIDTH = 44  # a gap at least so wide says so in words


@dataclass(frozen=True, slots=True)
class Curve:
    """One channel's stretch of intervals, ascending by end.

    Shapes: `ends` (epoch s), `values` (engineering units, any number where missing) and `status`
    are (n,). `stepped`: a value stands for its whole interval; else for its end.
    """

    name: str
    unit: str
    seconds: int
    ends: Ints
    values: Floats
    status: Masks
    stepped: bool = True


class Run(NamedTuple):
    """Neighbouring slots that share a mark: first and last index."""

    first: int
    last: int


class Change(NamedTuple):
    """A local day that is not 24 hours long: when its clock changes, and its hours."""

    at: int
    day: date
    hours: float

    @property
    def label(self) -> str:
        return f"{self.hours:g} h day"


# --- what is to be marked ----------------------------------------------------------------------


def runs(marked: npt.NDArray[np.bool_]) -> list[Run]:
    """The stretches of True in a boolean array."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], marked.astype(np.int8), [0]))))
    return [Run(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def clock_changes(start: int, end: int, zone: str) -> list[Change]:
    """The days between two instants on which the clocks of `zone` change."""
    changes = []
    for midnight, following, day in _days(start, end, zone):
        if following - midnight != DAY:
            # Where midnight itself is skipped, the day begins with the change.
            at = _transition(midnight - 1, following, zoneinfo.ZoneInfo(zone))
            changes.append(Change(at, day, (following - midnight) / 3600))
    return [change for change in changes if start <= change.at < end]


def _days(start: int, end: int, zone: str) -> Iterator[tuple[int, int, date]]:
    """(midnight, next midnight, date) of each local day that a period touches."""
    day = datetime.fromtimestamp(start, zoneinfo.ZoneInfo(zone)).date()
    midnight = local_midnight(zone, day)
    while midnight < end:
        following = local_midnight(zone, day + timedelta(days=1))
        yield midnight, following, day
        midnight, day = following, day + timedelta(days=1)


def _transition(low: int, high: int, info: zoneinfo.ZoneInfo) -> int:
    """The second at which the offset changes between two instants."""
    before = datetime.fromtimestamp(low, info).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, info).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high


# --- the load curve ----------------------------------------------------------------------------


def load_curve(
    curve: Curve,
    start: int,
    end: int,
    zone: str,
    *,
    key: str = "curve",
    width: int = WIDTH,
    height: int = HEIGHT,
) -> str:
    """One channel between two instants, as SVG; times in `zone`. `key` makes its ids unique."""
    info = zoneinfo.ZoneInfo(zone)
    here = (curve.status & MISSING) == 0
    scale = _scale(curve.values[here], start, end, width, height)
    changes = clock_changes(start, end, zone)
    parts = [
        *opening("curve", key, width, height),
        f'<title id="{key}-t">{escape(curve.name)}, {escape(curve.unit)}</title>',
        f'<desc id="{key}-d">{escape(describe(curve, start, end, zone))}</desc>',
        *_grid(scale, escape(curve.unit)),
        *_gaps(curve, scale, info),
        *_days_axis(scale, zone),
        *_line(curve, scale, here),
        *_marks(curve, scale, info),
        *_changes(changes, scale),
        "</svg>",
    ]
    return "".join(parts)


def describe(curve: Curve, start: int, end: int, zone: str) -> str:
    """What the plot shows, in words."""
    info = zoneinfo.ZoneInfo(zone)
    here = (curve.status & MISSING) == 0
    said = [f"{_when(start, info)} to {_when(end, info)}, {zone}."]
    said.append(f"{int(here.sum())} of {len(here)} intervals have a value.")
    if here.any():
        top = int(np.argmax(np.where(here, curve.values, -np.inf)))
        at = _when(int(curve.ends[top]), info)
        said.append(f"Highest {curve.values[top]:g} {curve.unit}, interval ending {at}.")
    for word, bit in (("estimated", ESTIMATED), ("edited", EDITED), ("outage", OUTAGE)):
        if count := int(((curve.status & bit) != 0).sum()):
            said.append(f"{count} {word}.")
    said += [
        f"{change.day:%d %b %Y} is a {change.label}." for change in clock_changes(start, end, zone)
    ]
    return " ".join(said)


def envelope(at: Floats, values: Floats, buckets: int) -> tuple[Floats, Floats, Floats]:
    """Least and greatest value of each of so many equal stretches: (middles, least, greatest).

    No peak is lost, however many points there are. Stretches without a point are left out.
    """
    first, last = float(at[0]), float(at[-1])
    index = ((at - first) / max(last - first, 1.0) * buckets).astype(np.int64).clip(0, buckets - 1)
    starts = np.flatnonzero(np.diff(index, prepend=-1))
    middles = first + (index[starts] + 0.5) * (last - first) / buckets
    return (
        middles,
        np.minimum.reduceat(values, starts),
        np.maximum.reduceat(values, starts),
    )


def _scale(values: Floats, start: int, end: int, width: int, height: int) -> Scale:
    """Zero-based, unless the values keep far from zero (a voltage)."""
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    if low > 0 and (high - low) < 0.5 * low:
        margin = max((high - low) * 0.15, abs(high) * 0.01)
        return Scale(start, end, low - margin, high + margin, width, height)
    low, high = min(low, 0.0), max(high, 0.0)
    if low == high:
        high = 1.0
    return Scale(start, end, low * 1.08, high * 1.08, width, height)


def _grid(scale: Scale, unit: str) -> Iterator[str]:
    yield f'<text class="unit" x="{LEFT - 44}" y="12">{unit}</text>'
    for value in ticks(scale.low, scale.high):
        y = float(scale.y(value))
        line = "zero" if value == 0 else "grid"
        yield f'<path class="{line}" d="M{LEFT} {y:.1f}H{scale.width - RIGHT}"/>'
        yield f'<text class="tick y" x="{LEFT - 7}" y="{y + 4:.1f}">{value:g}</text>'


def _days_axis(scale: Scale, zone: str) -> Iterator[str]:
    """Local hours under a plot of up to two days, else local dates, as many as fit."""
    base = scale.height - BOTTOM
    for at, label in _axis_labels(scale, zone):
        x = float(scale.x(at))
        yield f'<path class="grid" d="M{x:.1f} {TOP}V{base + 4}"/>'
        anchor = "end" if x > scale.width - RIGHT - 20 else "middle"
        yield (
            f'<text class="tick" x="{x:.1f}" y="{base + 18}" text-anchor="{anchor}">{label}</text>'
        )


def _axis_labels(scale: Scale, zone: str) -> list[tuple[int, str]]:
    info = zoneinfo.ZoneInfo(zone)
    days = list(_days(scale.start, scale.end, zone))
    if len(days) <= 2:
        labels = []
        for midnight, following, day in days:
            hours = range(0, 24, 3 if len(days) == 1 else 6)
            for hour in hours:
                at = int(datetime.combine(day, time(hour), info).timestamp())
                if midnight <= at < following and scale.start <= at <= scale.end:
                    labels.append((at, f"{day:%d %b}" if hour == 0 else f"{hour:02}:00"))
        return labels
    step = math.ceil(len(days) / 11)
    return [
        (midnight, f"{day:%a %d %b}" if step == 1 else f"{day:%d %b}")
        for midnight, _, day in days[::step]
        if midnight >= scale.start
    ]


def _gaps(curve: Curve, scale: Scale, info: zoneinfo.ZoneInfo) -> Iterator[str]:
    """Shaded stretches without a value: what never came and what was reported missing."""
    top, base = TOP, scale.height - BOTTOM
    gone = (curve.status & MISSING) != 0
    for run in runs(gone):
        begins, ends = (
            int(curve.ends[run.first]) - curve.seconds,
            int(curve.ends[run.last]),
        )
        x, x2 = (float(scale.x(at)) for at in (begins, ends))
        never = bool((curve.status[run.first : run.last + 1] & ABSENT).all())
        word = "no data" if never else "missing"
        period = f"{_when(begins, info)} to {_when(ends, info)}"
        yield f'<g class="gap"><title>{word}: {period}</title>'
        yield f'<rect x="{x:.1f}" y="{top}" width="{max(x2 - x, 1.5):.1f}" height="{base - top}"/>'
        if x2 - x >= LABEL_WIDTH:
            middle = (x + x2) / 2
            yield f'<text x="{middle:.1f}" y="{(top + base) / 2:.0f}">{word}</text>'
        yield "</g>"


def _line(curve: Curve, scale: Scale, here: npt.NDArray[np.bool_]) -> Iterator[str]:
    """The curve, broken at gaps; an envelope where there are more points than pixels."""
    dense = int(here.sum()) > 2 * (scale.width - LEFT - RIGHT)
    for run in runs(here):
        part = slice(run.first, run.last + 1)
        if dense:
            yield f'<path class="envelope" d="{_envelope_path(curve, scale, part)}"/>'
            continue
        path = _path(curve, scale, part)
        if curve.stepped and scale.low <= 0:
            start = float(scale.x(int(curve.ends[run.first]) - curve.seconds))
            stop = float(scale.x(int(curve.ends[run.last])))
            zero = float(scale.y(0.0))
            yield f'<path class="area" d="M{start:.1f} {zero:.1f}V{path[1:].split(" ", 1)[1]}'
            yield f'L{stop:.1f} {zero:.1f}Z"/>'
        yield f'<path class="line" d="{path}"/>'


def _path(curve: Curve, scale: Scale, part: slice) -> str:
    x, y = scale.x(curve.ends[part]), scale.y(curve.values[part])
    if not curve.stepped:
        return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True))
    left = float(scale.x(int(curve.ends[part][0]) - curve.seconds))
    steps = [f"V{b:.1f}H{a:.1f}" for a, b in zip(x[1:], y[1:], strict=True)]
    return f"M{left:.1f} {y[0]:.1f}H{x[0]:.1f}" + "".join(steps)


def _envelope_path(curve: Curve, scale: Scale, part: slice) -> str:
    ends, values = curve.ends[part].astype(float), curve.values[part]
    span = (ends[-1] - ends[0]) / (scale.end - scale.start)
    buckets = max(1, int(span * (scale.width - LEFT - RIGHT)))
    at, least, greatest = envelope(ends - curve.seconds / 2, values, buckets)
    x = scale.x(at)
    upper = [f"{a:.1f} {b:.1f}" for a, b in zip(x, scale.y(greatest), strict=True)]
    lower = [f"{a:.1f} {b + 0.8:.1f}" for a, b in zip(x, scale.y(least), strict=True)]
    return "M" + "L".join(upper + lower[::-1]) + "Z"


def _marks(curve: Curve, scale: Scale, info: zoneinfo.ZoneInfo) -> Iterator[str]:
    """Coloured stretches over the curve, and outage bars along its foot."""
    status, base = curve.status, scale.height - BOTTOM
    here = (status & MISSING) == 0
    kinds = (
        ("edited", here & ((status & EDITED) != 0)),
        ("estimated", here & ((status & (ESTIMATED | EDITED)) == ESTIMATED)),
    )
    for word, marked in kinds:
        for run in runs(marked):
            part = slice(run.first, run.last + 1)
            yield f'<path class="line {word}" d="{_path(curve, scale, part)}">'
            yield f"<title>{word}: {_run_period(curve, run, info)}</title></path>"
    for run in runs((status & OUTAGE) != 0):
        x = float(scale.x(int(curve.ends[run.first]) - curve.seconds))
        x2 = float(scale.x(int(curve.ends[run.last])))
        yield f'<rect class="outage" x="{x:.1f}" y="{base - 3}" width="{max(x2 - x, 3):.1f}" '
        yield f'height="7" rx="1.5"><title>outage: {_run_period(curve, run, info)}</title></rect>'


def _changes(changes: Sequence[Change], scale: Scale) -> Iterator[str]:
    for change in changes:
        x = float(scale.x(change.at))
        anchor, dx = ("end", -5) if x > scale.width - 90 else ("start", 5)
        yield f'<g class="change"><path d="M{x:.1f} {TOP - 14}V{scale.height - BOTTOM}"/>'
        yield f'<text x="{x + dx:.1f}" y="{TOP - 5}" text-anchor="{anchor}">{change.label}</text>'
        yield "</g>"


def _run_period(curve: Curve, run: Run, info: zoneinfo.ZoneInfo) -> str:
    begins = int(curve.ends[run.first]) - curve.seconds
    return f"{_when(begins, info)} to {_when(int(curve.ends[run.last]), info)}"


def _when(at: int, info: zoneinfo.ZoneInfo) -> str:
    return datetime.fromtimestamp(at, info).strftime("%d %b %Y %H:%M")
