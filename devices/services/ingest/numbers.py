"""The counts and status masks of all runs of a batch, as arrays; no step is made run by run."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import cast

import msgspec
import numpy as np

from devices import batchvalues
from devices.batchvalues import LARGEST, Columns, Flags, ValueFault
from devices.readings import Ints, Masks, Status, status_parse
from devices.services.ingest.problems import Faults
from devices.services.ingest.resolve import Run

MISSING = int(Status.MISSING)
NEVER_NULL = int(Status.ESTIMATED | Status.EDITED)
ESTIMATED, EDITED = int(Status.ESTIMATED), int(Status.EDITED)


@dataclass(slots=True)
class Slots:
    """The slots of all runs, one after the other, (n,); run i has those from bounds[i] on.

    `bounds` (m + 1,). `masks` None: every slot is 0.
    """

    runs: list[Run]
    bounds: Ints
    counts: Ints
    masks: Masks | None

    def size(self, faults: Faults) -> int:
        """How many slots good meters have."""
        if not faults:
            return int(self.bounds[-1])
        sizes = np.diff(self.bounds).tolist()
        return sum(
            size for run, size in zip(self.runs, sizes, strict=True) if run.meter not in faults
        )

    def owner(self, slot: int) -> tuple[Run, int]:
        """The run that a slot is of, and its place in the run."""
        index = int(np.searchsorted(self.bounds, slot, side="right")) - 1
        return self.runs[index], slot - int(self.bounds[index])

    def first_of(self, flags: Flags) -> Iterator[tuple[Run, int, int]]:
        """The first flagged slot of each run: the run, the place in it, the slot."""
        last = None
        for slot in np.flatnonzero(flags).tolist():
            run, place = self.owner(slot)
            if run is not last:
                yield run, place, slot
            last = run


def slots_read(runs: Sequence[Run], edited: bool, faults: Faults) -> Slots:
    """Counts and masks of runs; each fault is noted at its number. `edited`: the source is.

    Null slots have count 0. The runs come back sorted by how their numbers are given; those
    that have none, or both kinds, are left out.
    """
    kinds: dict[str, list[Run]] = {"counts": [], "values": []}
    for run in runs:
        if kind := _kind(run, faults):
            kinds[kind].append(run)
    parts = [
        part
        for part in (
            kinds["counts"] and _counts_read(kinds["counts"], faults),
            kinds["values"] and _values_read(kinds["values"], faults),
        )
        if part
    ]
    if not parts:
        return Slots([], np.zeros(1, np.int64), np.zeros(0, np.int64), None)
    sizes = np.concatenate([part[2] for part in parts])
    slots = Slots(
        [run for some in kinds.values() for run in some],
        np.concatenate(([0], np.cumsum(sizes))),
        np.concatenate([part[0] for part in parts]),
        None,
    )
    null = np.concatenate([part[1] for part in parts])
    _masks_read(slots, null, edited, faults)
    return slots


Part = tuple[Ints, Flags, Ints]  # counts, null, sizes


def _kind(run: Run, faults: Faults) -> str:
    block = run.block
    given = (block.counts is not None) + isinstance(block.values, msgspec.Raw)
    if given != 1:
        both = "both values and counts" if given else "neither values nor counts"
        _fault(faults, run, "values", "NO_VALUES", f"{both} given; give one of them")
        return ""
    return "values" if block.counts is None else "counts"


def _fault(faults: Faults, run: Run, member: str, code: str, message: str) -> None:
    where = f"channel {run.channel.number} from {run.block.start.isoformat()}"
    faults.add(run.meter, f"intervals[{run.index}].{member}", code, f"{where}: {message}")


# --- numbers -----------------------------------------------------------------------------------


def _counts_read(runs: Sequence[Run], faults: Faults) -> Part:
    lists = [cast("list[int | None]", run.block.counts) for run in runs]
    sizes = np.fromiter(map(len, lists), np.int64, len(lists))
    null = np.zeros(int(sizes.sum()), np.bool_)
    ends = np.cumsum(sizes)
    for index, numbers in enumerate(lists):
        if None in numbers:
            part = slice(int(ends[index]) - len(numbers), int(ends[index]))
            null[part] = [count is None for count in numbers]
            lists[index] = [count or 0 for count in numbers]
    flat = cast("list[int]", list(chain.from_iterable(lists)))
    try:
        counts = np.frombuffer(array("q", flat), np.int64)  # faster than numpy's own reading
    except OverflowError:
        counts = np.array([max(-LARGEST - 1, min(count, LARGEST + 1)) for count in flat], np.int64)
    large = (counts > LARGEST) | (counts < -LARGEST)
    if large.any():
        slots = Slots(list(runs), np.concatenate(([0], ends)), counts, None)
        for run, place, slot in slots.first_of(large):
            message = f"[{place}]: {str(flat[slot])[:40]} is too large a count"
            _fault(faults, run, f"counts[{place}]", "OVERFLOW", message)
    return counts, null, sizes


def _values_read(runs: Sequence[Run], faults: Faults) -> Part:
    """All together where they are written as usual, else one by one."""
    arrays = [bytes(cast(msgspec.Raw, run.block.values)) for run in runs]
    columns = batchvalues.columns_read(arrays)
    if columns is None:
        return _values_read_each(runs, arrays, faults)
    counts, exact = _scaled(runs, columns)
    if not exact.all():
        bounds = np.concatenate(([0], np.cumsum(columns.sizes)))
        wrong = np.searchsorted(bounds, np.flatnonzero(~exact), side="right") - 1
        for index in np.unique(wrong).tolist():  # read again, for the words
            _array_read(runs[index], arrays[index], faults)
    return counts, columns.null, columns.sizes


def _scaled(runs: Sequence[Run], columns: Columns) -> tuple[Ints, Flags]:
    ratios = [batchvalues.ratio(run.channel.resolution) for run in runs]
    if len(set(ratios)) == 1:
        ratios = ratios[:1]
    mantissa = np.array([m for m, _ in ratios], np.int64)
    decimals = np.array([d for _, d in ratios], np.int64)
    if len(ratios) > 1:
        mantissa = np.repeat(mantissa, columns.sizes)
        decimals = np.repeat(decimals, columns.sizes)
    return batchvalues.counts_of(columns, mantissa, decimals)


def _values_read_each(runs: Sequence[Run], arrays: Sequence[bytes], faults: Faults) -> Part:
    lists = [_array_read(run, array, faults) for run, array in zip(runs, arrays, strict=True)]
    flat = list(chain.from_iterable(lists))
    null = np.fromiter((count is None for count in flat), np.bool_, len(flat))
    counts = np.array([count or 0 for count in flat], np.int64)
    return counts, null, np.fromiter(map(len, lists), np.int64, len(lists))


def _array_read(run: Run, array: bytes, faults: Faults) -> list[int | None]:
    try:
        return batchvalues.array_read(array, run.channel.resolution)
    except ValueFault as fault:
        member = "values" if fault.place is None else f"values[{fault.place}]"
        _fault(faults, run, member, fault.code, str(fault))
        return []


# --- status ------------------------------------------------------------------------------------


class _Words(dict[str, int]):
    """Masks of status texts, each text looked at once. KeyError for an unknown word."""

    def __missing__(self, text: str) -> int:
        mask = self[text] = status_parse(text)
        return mask


def _masks_read(slots: Slots, null: Flags, edited: bool, faults: Faults) -> None:
    """Set the masks of slots; a null is marked missing by itself."""
    words = _Words({"": 0})
    masks: Masks | None = None
    for index, run in enumerate(slots.runs):
        block = run.block
        if block.status is None:
            continue
        given = _status_read(run, block.status, words, faults)
        first, last = slots.bounds[index : index + 2].tolist()
        if len(given) != last - first:
            if run.meter not in faults:
                _fault(
                    *(faults, run, "status", "LENGTH_MISMATCH"),
                    f"{len(given)} status words for {last - first} values; give one a value",
                )
            continue
        if masks is None:
            masks = np.zeros(len(null), np.uint16)
        masks[first:last] = given
    if masks is None and (edited or null.any()):
        masks = np.zeros(len(null), np.uint16)
    if masks is None:
        return
    masks[null] |= MISSING
    _conflicts_find(slots, masks, null, faults)
    if edited:
        masks[~null & ((masks & ESTIMATED) == 0)] |= EDITED
    slots.masks = masks
    slots.counts[null] = 0


def _status_read(run: Run, status: list[str], words: _Words, faults: Faults) -> list[int]:
    try:
        return [words[word] for word in status]
    except KeyError:
        for place, word in enumerate(status):
            try:
                words[word]
            except KeyError as unknown:
                message = f"[{place}]: “{str(unknown.args[0])[:40]}” is no status"
                _fault(faults, run, f"status[{place}]", "UNKNOWN_STATUS", message)
                break
        return []


def _conflicts_find(slots: Slots, masks: Masks, null: Flags, faults: Faults) -> None:
    wrong = np.where(null, masks & NEVER_NULL, masks & MISSING)
    for run, place, slot in slots.first_of(wrong != 0):
        why = (
            "missing excludes estimated and edited; leave them out, or send the value"
            if null[slot]
            else "a value is marked missing; send null, or leave the mark out"
        )
        _fault(faults, run, f"status[{place}]", "STATUS_CONFLICT", f"[{place}]: {why}")
