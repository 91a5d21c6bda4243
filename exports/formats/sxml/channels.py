"""A Channel read: its intervals as counts, with the checks of section 3."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from devices.readings import DAY, Channel, IntervalSeries
from exports.formats.sxml.parse import (
    Place,
    Wrong,
    attributes,
    local_name,
    mask_read,
    seconds_read,
    text_of,
    value_read,
)
from exports.formats.sxml.tables import (
    CHANNEL,
    DEVICE_ZONE,
    END_REGISTER,
    NUMBER,
    START_REGISTER,
    VALUE_TYPES,
    I,
)
from exports.formats.zones import local_date, midnight

LARGEST = 1 << 62
HOUR = 3600
MIDNIGHTS = ("00:00:00", "01:00:00")  # the second where a clock change skips the first
TYPES = {word: letter for letter, word in VALUE_TYPES.items()}
KNOWN = frozenset(attribute.name for attribute in I.attributes)


class Amount(NamedTuple):
    """A number: `units` times ten to the minus `decimals`."""

    units: int
    decimals: int


def channel_read(element: Any, place: Place) -> IntervalSeries:
    """A Channel; Wrong for SXM01, SXM03 and SXM04."""
    scale = 0
    if place.lenient and "scale" in element.attrib:
        scale = _scale(element)
    words = attributes(element, CHANNEL, place)
    registers: dict[str, Decimal] = {}
    intervals = []
    for child in element:
        name = local_name(child)
        if name == "I":
            intervals.append(child)
        elif name in ("StartRegister", "EndRegister"):
            leaf = START_REGISTER if name == "StartRegister" else END_REGISTER
            attributes(child, leaf.element, place)
            registers[name] = text_of(child, leaf, place)
        else:
            place.warn(child, "SXR50", name=name)
    if words["count"] != len(intervals) or not intervals:
        raise Wrong(element, "SXM03", said=words["count"], found=len(intervals))
    ends, masks, amounts = _intervals(intervals, scale, place)
    seconds = int(words["seconds"])
    _check_contiguous(element, intervals, ends, seconds, words, place)
    counts, decimals = _counts(element, amounts)
    place.counts.add("ChannelCount")
    channel = Channel(
        words["no"],
        words["uom"],
        words["flow"],
        seconds,
        TYPES[words["valueType"]],
        Decimal(1).scaleb(-decimals),
        words["multiplier"],
        words["multiplierApplied"],
    )
    return IntervalSeries(
        channel,
        np.array(ends, np.int64),
        np.array(counts, np.int64),
        np.array(masks, np.uint16),
        registers.get("StartRegister"),
        registers.get("EndRegister"),
    )


def _scale(element: Any) -> int:
    text = element.attrib.pop("scale")
    if not (text.lstrip("-").isdigit() and abs(int(text)) <= 9):
        raise Wrong(element, "SXR06", name="Channel scale", why=f"{text[:20]!r} is no power of ten")
    return int(text)


def _intervals(
    intervals: list[Any], scale: int, place: Place
) -> tuple[list[int], list[int], list[Amount]]:
    """Ends, masks and values of the I elements; 0 where there is no value."""
    ends, masks, amounts = [], [], []
    counts = place.counts
    for element in intervals:
        get = element.get
        if place.lenient:
            _check_attributes(element, place)
        try:
            ends.append(seconds_read(element, get("t") or "", place))
            text = get("v")
            amount = Amount(0, 0) if text is None else amount_read(text, scale)
        except ValueError as error:
            raise Wrong(element, "SXR06", name="I", why=str(error)) from error
        letter, codes = get("q"), get("c")
        mask = 0
        if letter is not None or codes is not None or text is None:
            if letter is not None:
                value_read(element, I.attributes[2], letter, place)
            mask = mask_read(element, letter or "A", codes or "", text is None, place)
            counts.quality(mask)
        masks.append(mask)
        amounts.append(amount)
    counts.add("IntervalCount", len(intervals))
    total = sum(amount.units * 10 ** (15 - amount.decimals) for amount in amounts)
    counts.sum("IntervalControlTotal", Decimal(total).scaleb(-15))
    return ends, masks, amounts


def _check_attributes(element: Any, place: Place) -> None:
    for name in element.attrib:
        if name not in KNOWN:
            place.warn(element, "SXR50", name=f"I/@{name}")


@lru_cache(maxsize=1 << 17)
def amount_read(text: str, scale: int) -> Amount:
    """A value, `scale` its power of ten."""
    value: Decimal = NUMBER.get(text.encode()).scaleb(scale)
    sign, digits, exponent = value.as_tuple()
    units = int("".join(map(str, digits)) or "0") * (-1 if sign else 1)
    decimals = -int(exponent)
    while decimals > 0 and units % 10 == 0:
        units, decimals = units // 10, decimals - 1
    return Amount(units * 10 ** max(0, -decimals), max(0, decimals))


def _counts(element: Any, amounts: list[Amount]) -> tuple[list[int], int]:
    """Values as counts of one resolution, the coarsest that keeps them all."""
    decimals = max(amount.decimals for amount in amounts)
    counts = [amount.units * 10 ** (decimals - amount.decimals) for amount in amounts]
    if any(abs(count) >= LARGEST for count in counts):
        raise Wrong(element, "SXR06", name="I v", why="too large for the decimals of the others")
    return counts, decimals


def _check_contiguous(
    element: Any,
    intervals: list[Any],
    ends: list[int],
    seconds: int,
    words: dict[str, Any],
    place: Place,
) -> None:
    """SXM04."""
    start, end = int(words["start"].timestamp()), int(words["end"].timestamp())
    if end != ends[-1]:
        raise Wrong(element, "SXM04", why="@end is not that of the last one")
    texts = [element.get("start"), *(interval.get("t") for interval in intervals)]
    place_of = grid_wrong(texts, [start, *ends], seconds, place.zone)
    if place_of is None:
        return
    if seconds == DAY:
        why = f"{texts[place_of]} is no midnight a day after the last"
    elif place_of == 1:
        why = f"the first does not end {seconds} s after @start"
        place_of = 0
    else:
        why = f"{texts[place_of]} does not follow by {seconds} s"
    raise Wrong([element, *intervals][place_of], "SXM04", why=why)


def grid_wrong(
    texts: Sequence[str], instants: Sequence[int], seconds: int, zone: str
) -> int | None:
    """Which of a start and the ends after it is not where it should be; None if all are."""
    if seconds == DAY:
        return _day_wrong(texts, instants, zone)
    first = instants[0]
    if list(instants) == list(range(first, first + seconds * len(instants), seconds)):
        return None
    return next(at for at, (a, b) in enumerate(pairwise(instants), 1) if b - a != seconds)


def _day_wrong(texts: Sequence[str], days: Sequence[int], zone: str) -> int | None:
    for at, (text, second) in enumerate(zip(texts, days, strict=True)):
        if zone == DEVICE_ZONE:
            fine = text[11:19] in MIDNIGHTS
        else:
            fine = midnight(zone, local_date(zone, second).toordinal()) == second
        if at and not 23 * HOUR <= second - days[at - 1] <= 25 * HOUR:
            fine = False
        if not fine:
            return at
    return None
