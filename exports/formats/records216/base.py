"""What MV-90 and HHF-X1 are alike in as formats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from exports.formats.base import Format, Options
from exports.formats.records216.units import LONGEST, resolutions, unit_codes


class Records216(Format):
    """Intervals with the readings around them, in records of 216 bytes."""

    intervals = True
    registers = True
    reads_at_end = True
    since = "span"
    states_resolution = True
    empty = "none"

    def options_clean(
        self, given: Mapping[str, object], use: Literal["write", "read"] | None = None
    ) -> Options:
        clean = super().options_clean(given, use)
        unit_codes(clean["unit_codes"])
        if use != "write":
            resolutions(clean["resolutions"])
        return clean

    def register_margin(self, options: Mapping[str, Any]) -> int:
        return LONGEST
