"""What a received event code means: mnemonic, C12.19 or manufacturer number, IEC code.

Pure. The catalogue comes in as plain values; a code that nobody knows becomes `STD_nnnnn` or
`MFG_nnnnn` and is kept (formats/events.md 3 to 6).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

# Origins: who gave the event its code.
STANDARD, MANUFACTURER, RAISED = "S", "M", "T"
ORIGINS = {
    STANDARD: "C12.19 standard code",
    MANUFACTURER: "Manufacturer code",
    RAISED: "Raised by the module or TMS",
}
PHASES = "ABC"
# IEC codes without an entry share this mnemonic and keep their code.
UNKNOWN_IEC = "MFG_00000"
# Standard codes that flood a head-end and have no mnemonic: stored, never alarmed or routed.
NUISANCES = {
    7: "Read access",
    8: "Write access",
    12: "Communication ended normally",
    14: "Reset list pointers",
    15: "Update list pointers",
    17: "History log pointers updated",
    19: "Event log pointers updated",
    30: "Metering mode started",
    31: "Metering mode stopped",
}
NUISANCE_MNEMONICS = {"SELF_READ"}
# IEC device types that stand for each other: electric meter, communication device.
_OTHER_TYPE = {"3": "26", "26": "3"}

_MNEMONIC = re.compile(r"[A-Z][A-Z0-9_]{0,15}")
_NUMBER = re.compile(r"(?:(STD|MFG)_)?([0-9]{1,5})")
_IEC = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")


class Entry(NamedTuple):
    """A type of event: its C12.19 numbers and IEC codes, pairwise where it has several of both."""

    mnemonic: str
    numbers: tuple[int, ...] = ()
    iec_codes: tuple[str, ...] = ()


class Alias(NamedTuple):
    """Another code of a type of event; a phase-specific one says which phases."""

    mnemonic: str
    phases: str = ""


class Resolved(NamedTuple):
    """What a received code stands for. `iec_code` is the one to send, empty when there is none."""

    mnemonic: str
    origin: str
    native: int | None
    iec_code: str
    phases: str


def code_normalise(code: str, origin: str = "") -> str:
    """The one spelling of a code: `STD_00022`, `MFG_02061`, `3.26.0.85`, or a mnemonic.

    ValueError when it is none of them. Plain digits are a manufacturer's with origin M, else the
    standard's.
    """
    if match := _NUMBER.fullmatch(code):
        flag = match[1] or ("MFG" if origin == MANUFACTURER else "STD")
        return f"{flag}_{int(match[2]):05}"
    if _IEC.fullmatch(code):
        return ".".join(str(int(part)) for part in code.split("."))
    if _MNEMONIC.fullmatch(code):
        return code
    raise ValueError("neither a mnemonic, nor a number of at most 5 digits, nor an IEC code")


def native_number(code: str) -> tuple[str, int] | None:
    """Origin and number of a normalised native code; None for a mnemonic or an IEC code."""
    match = _NUMBER.fullmatch(code)
    if not match or not match[1]:
        return None
    return (STANDARD if match[1] == "STD" else MANUFACTURER), int(match[2])


def is_mnemonic(text: str) -> bool:
    """Whether a text has the form of a mnemonic."""
    return _MNEMONIC.fullmatch(text) is not None


def is_iec(text: str) -> bool:
    """Whether a text has the form of an IEC 61968-9 event code."""
    return _IEC.fullmatch(text) is not None


def numbers_parse(text: str) -> tuple[int, ...]:
    """The C12.19 numbers of a catalogue cell, as `3;4;5;6`; ValueError for anything else."""
    return tuple(int(part) for part in text.split(";")) if text else ()


def iec_codes_parse(text: str) -> tuple[str, ...]:
    """The IEC codes of a catalogue cell, separated by `;`; ValueError for anything else."""
    codes = tuple(text.split(";")) if text else ()
    for code in codes:
        if not is_iec(code) or code != code_normalise(code):
            raise ValueError(f"“{code}” is not an IEC event code; write e.g. 3.26.0.85")
    return codes


class Codebook:
    """The catalogue and its aliases, ready to look codes up.

    `own` are aliases of one head-end or class of devices: they go before the catalogue's own codes.
    """

    def __init__(
        self,
        entries: Iterable[Entry],
        aliases: Mapping[str, Alias],
        own: Mapping[str, Alias] | None = None,
    ) -> None:
        self._entries = {entry.mnemonic: entry for entry in entries}
        self._own = own or {}
        self._aliases = {**aliases, **self._own}
        self._by_number: dict[int, str] = {}
        self._by_iec: dict[str, str] = {}
        for entry in self._entries.values():
            for number in entry.numbers:
                self._by_number.setdefault(number, entry.mnemonic)
            for code in entry.iec_codes:
                self._by_iec.setdefault(code, entry.mnemonic)

    def resolve(self, code: str, origin: str = "", native: str = "") -> Resolved | None:
        """What a code means; None for standard code 0, which says that nothing happened.

        `origin` and `native` are what the sender said beside it, if anything. ValueError when
        the code or the native number has no known form.
        """
        name = code_normalise(code, origin)
        if found := native_number(name):
            if found == (STANDARD, 0):
                return None
            return self._of_number(name, *found)
        number = int(native) if native else None
        if is_iec(name):
            return self._of_iec(name, origin, number)
        alias = self._aliases.get(name, Alias(name))
        if not origin:
            origin = RAISED if number is None else self._origin_of(alias.mnemonic, number)
        return Resolved(
            alias.mnemonic, origin, number, self._iec_of(alias.mnemonic, number), alias.phases
        )

    def _of_number(self, name: str, origin: str, number: int) -> Resolved:
        known = self._by_number.get(number, name) if origin == STANDARD else name
        alias = self._aliases.get(name, Alias(known))
        return Resolved(
            alias.mnemonic, origin, number, self._iec_of(alias.mnemonic, number), alias.phases
        )

    def _of_iec(self, code: str, origin: str, number: int | None) -> Resolved:
        """Look the code up, then the same code of the other device type."""
        kind, _, rest = code.partition(".")
        candidates = [code] + [f"{other}.{rest}" for other in [_OTHER_TYPE.get(kind)] if other]
        for candidate in candidates:
            mnemonic = self._by_iec.get(candidate)
            if mnemonic and candidate not in self._own:
                return Resolved(mnemonic, origin or RAISED, number, candidate, "")
            if alias := self._aliases.get(candidate):
                iec_code = self._iec_of(alias.mnemonic, number)
                return Resolved(alias.mnemonic, origin or RAISED, number, iec_code, alias.phases)
        return Resolved(UNKNOWN_IEC, MANUFACTURER, number, code, "")

    def _origin_of(self, mnemonic: str, number: int) -> str:
        return STANDARD if self._by_number.get(number) == mnemonic else MANUFACTURER

    def _iec_of(self, mnemonic: str, number: int | None) -> str:
        """The IEC code to send: the only one, or the one that goes with the number."""
        entry = self._entries.get(mnemonic)
        if entry is None or not entry.iec_codes:
            return ""
        if len(entry.iec_codes) == 1:
            return entry.iec_codes[0]
        pairs = dict(zip(entry.numbers, entry.iec_codes, strict=False))
        return pairs.get(number, "") if number is not None else ""
