"""The live export: readings as they arrive, from the journal (docs/formats/rte.md, section 2)."""

from exports.rte.selectors import arrivals_for_range

__all__ = ["arrivals_for_range"]
