"""The options of an import, as the form, the command line and the inbox give them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from devices.imports.columns import Column
from devices.imports.dates import ORDERS
from devices.imports.header import simplified

YES = {"1": True, "true": True, "yes": True, "y": True, "on": True, "": True}
YES |= {"0": False, "false": False, "no": False, "n": False, "off": False}


class OptionFault(ValueError):
    """An option that does not exist or cannot be so."""


@dataclass(frozen=True)
class Options:
    """How a file is to be read and applied.

    `pad`: field → digits to which numbers are filled with leading zeros. `row_by_row`: applied in
    small transactions, so that what an interruption left is kept and goes on; else as a whole.
    `check_ratios`: CTRatio × PTRatio must be the multiplier.
    """

    all_or_nothing: bool = False
    row_by_row: bool = False
    ignore_unknown: bool = False
    date_order: str = ""
    pad: Mapping[str, int] = field(default_factory=dict)
    excel_safe: bool = False
    check_ratios: bool = False
    create_groups: bool = False
    auto_move: bool = False

    def as_dict(self) -> dict[str, Any]:
        """As kept with the import; without what is as always."""
        return {name: value for name, value in asdict(self).items() if value}


def options_read(given: Mapping[str, str], columns: tuple[Column, ...]) -> Options:
    """Options from texts. OptionFault says what is wrong and what is allowed.

    `pad` is written `MeterNumber:8`, several by commas.
    """
    values: dict[str, Any] = {}
    known = {one.name for one in fields(Options)}
    for name, text in given.items():
        key = name.strip().lower().replace("-", "_")
        if key not in known:
            raise OptionFault(f"no option {name}; there are: {', '.join(sorted(known))}")
        if key == "pad":
            values[key] = _pad(text, columns)
        elif key == "date_order":
            if text and text.upper() not in ORDERS:
                raise OptionFault(f"date_order={text}: one of {', '.join(ORDERS)}")
            values[key] = text.upper()
        elif text.strip().lower() not in YES:
            raise OptionFault(f"{name}={text}: yes or no")
        else:
            values[key] = YES[text.strip().lower()]
    options = Options(**values)
    if options.all_or_nothing and options.row_by_row:
        raise OptionFault("all_or_nothing and row_by_row exclude each other")
    return options


def _pad(text: str, columns: tuple[Column, ...]) -> dict[str, int]:
    pads = {}
    named = {simplified(c.name): c for c in columns if c.kind.identifier and c.kind.width}
    for part in filter(None, (one.strip() for one in text.replace(";", ",").split(","))):
        name, _, digits = part.replace("=", ":").partition(":")
        column = named.get(simplified(name))
        if column is None:
            raise OptionFault(f"pad={part}: {name} is no column of identifiers")
        width = column.kind.width
        if not digits.strip().isdigit() or not 1 <= int(digits) <= width:
            raise OptionFault(f"pad={part}: write {column.name}:digits, at most {width}")
        pads[column.field] = int(digits)
    return pads
