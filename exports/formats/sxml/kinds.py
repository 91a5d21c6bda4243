"""Kinds of stored register reads, by a pattern that takes their texts apart one by one."""

from __future__ import annotations

import re

from devices.storedreads import Alike, Alikes


class Kind:
    """What texts have in common. `values`: those of the first; `amounts`, `peaks`: which group of a
    text holds a place's value, and its peak time, where it has one."""

    def __init__(self, alike: Alike) -> None:
        self.values = alike.values
        groups = list(enumerate(alike.slots))
        self.amounts = {slot.place: group for group, slot in groups if slot.is_value}
        self.peaks = {slot.place: group for group, slot in groups if not slot.is_value}
        pieces = [re.escape(slot.before.decode()) + '([^"]*)' for slot in alike.slots]
        pieces.append(re.escape(alike.after.decode()))
        self.fullmatch = re.compile("".join(pieces)).fullmatch


class Kinds:
    """The kinds of texts met so far, the last one first."""

    def __init__(self) -> None:
        self.alikes = Alikes()
        self.kinds: list[Kind] = []

    def match(self, text: str) -> tuple[Kind, tuple[str, ...]] | None:
        """The kind of a text and its groups; None when it is of none that is known."""
        for place, kind in enumerate(self.kinds):
            match = kind.fullmatch(text)
            if match is not None:
                if place:
                    self.kinds.insert(0, self.kinds.pop(place))
                return kind, match.groups()
        learned = self.alikes.learn(text)
        if learned is None:
            return None
        kind = Kind(learned)
        self.kinds.insert(0, kind)
        match = kind.fullmatch(text)
        return None if match is None else (kind, match.groups())
