"""Numbers and watermarks: how far the journal goes, how far the fold has come."""

from django.db import connection

from devices.journal import sql
from devices.models import Watermark

BATCH, FOLD, BASE, PURGED = "batch", "fold", "base", "purged"


class HorizonGone(Exception):
    """A reading as of a number that purge has already passed."""


def horizon() -> int:
    """The newest committed batch number; 0 when nothing ever arrived."""
    return _mark(BATCH)


def folded_to() -> int:
    """Every batch numbered at most so is in the blocks."""
    return _mark(FOLD)


def base_number() -> int:
    """Purge has replaced entries up to this number by base blocks; no reading goes below it."""
    return _mark(BASE)


def purged_to() -> int:
    """No entries of batches numbered at most so are left in the journal."""
    return _mark(PURGED)


def marks() -> dict[str, int]:
    """All of them by name, as of one instant; those never set are 0."""
    found = dict.fromkeys((BATCH, FOLD, BASE, PURGED), 0)
    return found | dict(sql.rows("SELECT name, number FROM devices_watermark"))


def _mark(name: str) -> int:
    return Watermark.objects.filter(name=name).values_list("number", flat=True).first() or 0


def mark_raise(name: str, number: int) -> None:
    """Move a watermark up; never down."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO devices_watermark (name, number) VALUES (%s, %s) "
            "ON CONFLICT (name) DO UPDATE SET number = excluded.number "
            "WHERE devices_watermark.number < excluded.number",
            [name, number],
        )
