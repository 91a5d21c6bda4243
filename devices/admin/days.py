"""Days as people type them."""

from datetime import date


def day_typed(text: str) -> date | None:
    """A day as a field gives it, of a year that readings may be of; None: none, or nonsense."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if 2000 <= day.year <= 2100 else None
