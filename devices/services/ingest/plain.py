"""The commonest batch, one interval of one channel a meter, checked as columns.

Near-term batches are a thousand meters with one interval each; looking at them one by one took
longer than storing them. Whatever is not plain, or not right, is left to the long way, which knows
the words for it: here is nothing refused and nothing decided otherwise.
"""

import json
from array import array
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from typing import NamedTuple

import numpy as np
from msgspec import Struct
from msgspec.structs import fields

from devices.batchform import Form, Intervals, Meter
from devices.batchvalues import LARGEST
from devices.journal import EntryColumns, sql
from devices.models import ApiKey
from devices.readings import DAY, Ints, Masks, status_parse
from devices.services.ingest.layout import AHEAD, EARLIEST, entries_pack
from devices.services.ingest.lookup import allowed_sql
from devices.services.ingest.numbers import MISSING, NEVER_NULL

_FOUND = np.dtype(
    [("n", ">i4"), ("device", ">i8"), ("channel", ">i8"), ("seconds", ">i4"), ("offset", ">i4")]
)
# Open channels with a grid of their own, found by device and number: at most one a pair.
_JOINED = """JOIN devices_device d ON d.device_id = w.name
JOIN devices_channel c ON c.device_id = d.id AND c.number = w.number
WHERE c.zone = '' AND c.valid_to IS NULL AND (c.valid_from IS NULL OR c.valid_from <= %s)
  AND {allowed}"""
_POSTGRES = """
SELECT string_agg(int4send(w.n::int4) || int8send(d.id) || int8send(c.id) ||
  int4send(c.seconds) || int4send(c.grid_offset), ''::bytea)
FROM unnest(string_to_array(%s, E'\\x1f')::varchar[], %s::int[]) WITH ORDINALITY
  AS w(name, number, n)
{joined}"""
_SQLITE = """
SELECT w.n + 1, d.id, c.id, c.seconds, c.grid_offset
FROM (SELECT key AS n, json_extract(value, '$[0]') AS name, json_extract(value, '$[1]') AS number
      FROM json_each(%s)) w
{joined}"""


def _is_bare(kind: type[Struct], given: set[str]) -> Callable[[object], bool]:
    """Whether a struct has no more than these members, told without a step a member."""
    others = [field for field in fields(kind) if field.name not in given]
    get = attrgetter(*(field.name for field in others))
    nothing = get(kind(**dict.fromkeys(given)))
    return lambda struct: get(struct) == nothing


_IS_BARE = _is_bare(Meter, {"device", "intervals"})
_IS_BARE_RUN = _is_bare(Intervals, {"start", "channel", "seconds", "counts", "status"})


class Plain(NamedTuple):
    """A good batch: devices and channels (m,), their journal entries as columns."""

    devices: set[int]
    channels: list[int]
    entries: EntryColumns


class _Slots(NamedTuple):
    """One slot a meter, (m,): names, channel numbers, starts, counts, masks (None: all 0)."""

    names: list[str]
    numbers: list[int]
    starts: Ints
    counts: Ints
    masks: Masks | None


def plain_read(form: Form, api_key: ApiKey | None, now: datetime) -> Plain | None:
    """A batch of one interval a meter as columns; None when it takes the long way."""
    slots = _slots(form)
    if slots is None:
        return None
    found = _find(slots, api_key)
    if found is None:
        return None
    seconds, offsets = (found[name].astype(np.int64) for name in ("seconds", "offset"))
    said = [meter.intervals[0].seconds for meter in form.meters]
    if said.count(None) < len(said):
        given = np.array([0 if one is None else one for one in said], np.int64)
        if ((given != seconds) & (given != 0)).any():
            return None
    places, off = np.divmod(slots.starts + offsets, seconds)
    ends = slots.starts + seconds
    if off.any() or ends.min() < EARLIEST or ends.max() > int((now + AHEAD).timestamp()):
        return None
    days, firsts = np.divmod(places, DAY // seconds)
    packed = entries_pack(slots.counts, slots.masks, np.arange(len(ends)))
    channels = found["channel"].tolist()
    entries = EntryColumns(channels, days.tolist(), firsts.tolist(), *packed)
    return Plain(set(found["device"].tolist()), channels, entries)


def _slots(form: Form) -> _Slots | None:
    """What the meters sent, where each sent one count, well and good by itself."""
    meters = form.meters
    if not meters or form.source == "edited" or not all(map(_IS_BARE, meters)):
        return None
    intervals = [meter.intervals for meter in meters]
    if set(map(len, intervals)) != {1}:
        return None
    blocks = [some[0] for some in intervals]
    if not all(map(_IS_BARE_RUN, blocks)):
        return None
    names = [meter.device or "" for meter in meters]
    joined = "".join(names)
    if "" in names or not (joined.isascii() and joined.isprintable()):
        return None
    numbers = [block.channel or 0 for block in blocks]
    if len(set(zip(names, numbers, strict=True))) < len(names):
        return None
    starts = _starts(blocks)
    numbered = _counts(blocks)
    if starts is None or numbered is None:
        return None
    return _Slots(names, numbers, starts, *numbered)


def _starts(blocks: Sequence[Intervals]) -> Ints | None:
    """Epoch seconds; a batch has few different starts."""
    starts = [block.start for block in blocks]
    if starts.count(starts[0]) == len(starts):
        epochs = np.full(len(starts), starts[0].timestamp())
    else:
        epochs = np.array([start.timestamp() for start in starts])
    whole = epochs.astype(np.int64)
    return whole if np.array_equal(whole, epochs) else None


def _counts(blocks: Sequence[Intervals]) -> tuple[Ints, Masks | None] | None:
    """Counts and masks, nulls marked as missing."""
    lists = [block.counts or () for block in blocks]
    if set(map(len, lists)) != {1}:
        return None
    flat = [some[0] for some in lists]
    null = np.array([count is None for count in flat]) if None in flat else None
    try:
        counts = np.array(array("q", flat if null is None else [count or 0 for count in flat]))
    except OverflowError:
        return None
    if counts.max() > LARGEST or counts.min() < -LARGEST:
        return None
    stated = [block.status for block in blocks]
    if null is None and stated.count(None) == len(stated):
        return counts, None
    masks = np.zeros(len(flat), np.uint16)
    for place, status in enumerate(stated):
        if status is not None:
            try:
                [masks[place]] = map(status_parse, status)
            except (KeyError, ValueError):
                return None
    nulls = np.zeros(len(flat), np.bool_) if null is None else null
    masks[nulls] |= MISSING
    if np.where(nulls, masks & NEVER_NULL, masks & MISSING).any():
        return None
    return counts, masks


def _find(slots: _Slots, api_key: ApiKey | None) -> np.ndarray | None:
    """Device and channel of each slot, in their order; None unless all are found and open."""
    earliest = datetime.fromtimestamp(int(slots.starts.min()), UTC)
    allowed, params = allowed_sql(api_key)
    joined, when = _JOINED.format(allowed=allowed), sql.instant_param(earliest)
    if sql.is_postgres():
        names, numbers = "\x1f".join(slots.names), sql.array_text(slots.numbers)
        query = _POSTGRES.format(joined=joined)
        [(packed,)] = sql.rows(query, [names, numbers, when, *params])
        found = np.frombuffer(packed or b"", _FOUND)
    else:
        pairs = json.dumps(list(zip(slots.names, slots.numbers, strict=True)))
        query = _SQLITE.format(joined=joined)
        found = np.array(sql.rows(query, [pairs, when, *params]), _FOUND)
    if len(found) != len(slots.names):
        return None
    ordered = np.empty(len(found), _FOUND)
    ordered[found["n"] - 1] = found
    if len(np.unique(found["n"])) < len(found):
        return None
    return ordered
