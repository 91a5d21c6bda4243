"""The catalogue as the services take it."""

from collections.abc import Iterable
from typing import NamedTuple

from events.codes import Alias, Entry, iec_codes_parse, numbers_parse
from events.models import EventAlias, EventType


class Kind(NamedTuple):
    """What an arriving event takes from its type."""

    pk: int
    category: str
    severity: str


class Type(NamedTuple):
    """A type of event as those see it who go through the events."""

    mnemonic: str
    state: str
    meaning: str
    paired_with: str
    nuisance: bool
    default_routed: bool
    unmapped: bool


def types_load() -> dict[int, Type]:
    """All types by key."""
    rows = EventType.objects.values_list(
        *("pk", "mnemonic", "state", "meaning", "paired_with__mnemonic"),
        *("nuisance", "default_routed", "unmapped"),
    )
    return {
        pk: Type(mnemonic, state, meaning, pair or "", *rest)
        for pk, mnemonic, state, meaning, pair, *rest in rows
    }


class Aliases(NamedTuple):
    """Aliases by code: for all, and for some head-ends or classes of devices.

    `own` is keyed (API key or 0, device class or 0).
    """

    everywhere: dict[str, Alias]
    own: dict[tuple[int, int], dict[str, Alias]]

    @property
    def by_class(self) -> bool:
        """Whether an event's device class matters."""
        return any(device_class for _, device_class in self.own)

    def for_sender(self, head_end: int, device_class: int) -> dict[str, Alias]:
        """What holds for a head-end or a class alone: the head-end's goes before the class's."""
        if not self.own:
            return {}
        found = dict(self.own.get((0, device_class), {}))
        found |= self.own.get((head_end, 0), {})
        return found | self.own.get((head_end, device_class), {})


def entries_load() -> tuple[list[Entry], dict[str, Kind]]:
    """The described types, to resolve codes with, and what events take from them, by mnemonic.

    Types that nobody has described yet are not in it; there may be many (`kinds_for_mnemonics`).
    """
    rows = EventType.objects.filter(unmapped=False).values_list(
        "mnemonic", "c1219_codes", "iec_codes", "pk", "category", "severity"
    )
    entries, kinds = [], {}
    for mnemonic, numbers, iec_codes, *kind in rows:
        entries.append(Entry(mnemonic, numbers_parse(numbers), iec_codes_parse(iec_codes)))
        kinds[mnemonic] = Kind(*kind)
    return entries, kinds


def aliases_load() -> Aliases:
    """All aliases."""
    rows = EventAlias.objects.values_list(
        "code", "type__mnemonic", "phases", "head_end", "device_class"
    )
    found = Aliases({}, {})
    for code, mnemonic, phases, head_end, device_class in rows:
        key = (head_end or 0, device_class or 0)
        target = found.everywhere if key == (0, 0) else found.own.setdefault(key, {})
        target[code] = Alias(mnemonic, phases)
    return found


def kinds_for_mnemonics(mnemonics: Iterable[str]) -> dict[str, Kind]:
    """Types by mnemonic, unmapped ones included; those that do not exist are left out."""
    found = EventType.objects.in_bulk(list(mnemonics), field_name="mnemonic")
    return {name: Kind(row.pk, row.category, row.severity) for name, row in found.items()}
