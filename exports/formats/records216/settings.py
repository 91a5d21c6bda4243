"""Options that the formats of 216-byte records share."""

from __future__ import annotations

from exports.formats.options import Option

UNIT_CODES = Option(
    "unit_codes",
    "map",
    None,
    "codes over the default table, as `KW DEL=21;V=07`; a code taken from another unit is that"
    " unit's no more",
    use="both",
)
SEEN = Option("seen_codes", "yes_no", True, "codes 07–12 are read as V and A by phase", use="read")
RESOLUTIONS = Option(
    "resolutions",
    "map",
    None,
    "resolution of channels that the inventory does not have, as `KWH DEL=0.001;V=0.1;*=0.01`;"
    " default the coarsest power of ten that keeps every cell, at finest 0.000001",
    use="read",
)
ROUND_CELLS = Option(
    "round_cells",
    "yes_no",
    True,
    "a cell that is no count of its channel's resolution: the nearest one, with a warning, or"
    " refused",
    use="read",
)
OVERFLOW_IDS = Option(
    "overflow_ids",
    "choice",
    "refuse",
    "an identifier over its field: refused, or its last characters stay",
    choices=("refuse", "keep_last"),
)
TRIM = Option(
    "trim",
    "yes_no",
    False,
    "cuts slots missing in all channels of the meter from both ends (modes OR, RE)",
)
