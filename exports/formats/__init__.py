"""The file formats by code: one line each. Pure: knows nothing of Django.

A utility's own format is a module with a `FORMAT`, or several in `FORMATS`; Django passes the
dotted names of setting TMS_FORMATS to `load_formats`.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module

from exports.formats.base import Format
from exports.formats.btf import Btf
from exports.formats.cmep import Cmep
from exports.formats.hhf import Hhf
from exports.formats.idf import Idf
from exports.formats.lodestar import Lodestar
from exports.formats.mrc import Mrc
from exports.formats.mv90 import Mv90
from exports.formats.rde import Rde
from exports.formats.rte import Rte
from exports.formats.sxml import Sxml

_formats: dict[str, Format] = {}


class UnknownFormat(LookupError):
    """No format has this code."""


def register(fmt: Format) -> Format:
    """Adds a format; a code that another one has is refused, the same class again is not."""
    known = _formats.get(fmt.code)
    if known is not None and type(known) is not type(fmt):
        raise ValueError(
            f"format code {fmt.code!r} is that of {type(known).__name__},"
            f" {type(fmt).__name__} needs another"
        )
    return _formats.setdefault(fmt.code, fmt)


def load_formats(dotted_names: Iterable[str]) -> None:
    """Imports modules outside the tree and registers their formats; safe to repeat."""
    for name in dotted_names:
        module = import_module(name)
        found = getattr(module, "FORMATS", None) or [getattr(module, "FORMAT", None)]
        for fmt in found:
            if not isinstance(fmt, Format):
                raise TypeError(f"module {name} has neither FORMAT nor FORMATS of class Format")
            register(fmt)


def get(code: str) -> Format:
    """The format of this code; UnknownFormat lists all."""
    try:
        return _formats[code]
    except KeyError:
        raise UnknownFormat(f"no format {code!r}; there are: {', '.join(codes())}") from None


def codes() -> list[str]:
    """All codes, sorted."""
    return sorted(_formats)


def every() -> list[Format]:
    """All formats by code."""
    return [_formats[code] for code in codes()]


register(Cmep())
register(Lodestar())
register(Idf())
register(Rde())
register(Btf())
register(Hhf())
register(Mv90())
register(Mrc())
register(Rte())
register(Sxml())
