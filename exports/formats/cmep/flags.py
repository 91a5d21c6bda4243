"""Quality flags read: text to mask, in both dialects (sections 4 and 10)."""

from __future__ import annotations

from typing import NamedTuple

from devices.readings import Status
from exports.formats.cmep.tables import LETTER_MASKS, SENSUS_BITS

KNOWN = sum(number for number, *_ in SENSUS_BITS)
MISSING_BIT = 32
VALUE_MARKS = int(Status.ESTIMATED | Status.EDITED)


class Flag(NamedTuple):
    """A flag's mask and what there is to warn of: codes of CMR_WARNINGS."""

    mask: int
    warnings: tuple[str, ...]


class Flags(dict[bytes, Flag]):
    """The flags of one dialect, each text looked at once."""

    def __init__(self, sensus: bool, a_means: str) -> None:
        super().__init__()
        self.sensus = sensus
        self.letters = {letter.encode(): int(mask) for letter, mask in LETTER_MASKS.items()}
        if a_means == "actual":
            self.letters[b"A"] = 0

    def __missing__(self, text: bytes) -> Flag:
        flag = self._parse(text)
        if len(self) < 1 << 16:
            self[text] = flag
        return flag

    def _parse(self, text: bytes) -> Flag:
        if not text:
            return Flag(0, ())
        mask = self.letters.get(text[:1])
        if mask is None:
            return Flag(int(Status.QUESTIONABLE), ("CMR60",))
        digits = text[1:]
        warnings: list[str] = []
        if self.sensus and digits.isdigit():
            mask = self._bits(mask, int(digits), warnings)
        elif digits:
            warnings.append("CMR59")
        if mask & Status.MISSING:
            mask &= ~VALUE_MARKS
        return Flag(mask, tuple(warnings))

    def _bits(self, mask: int, total: int, warnings: list[str]) -> int:
        """The mask with the sum's bits added."""
        missing = bool(mask & Status.MISSING)
        if total & ~KNOWN:
            warnings.append("CMR63")
        for number, _, _, bit in SENSUS_BITS:
            if not total & number:
                continue
            if bit is None:
                warnings.append("CMR63")
            elif number == MISSING_BIT and not missing:
                mask |= Status.QUESTIONABLE
                warnings.append("CMR62")
            elif not (number == 1 and missing):
                mask |= bit
        return int(mask)
