"""Moving on a place in the order of events, in the transaction that did what was found there."""

from __future__ import annotations

from events.models import Reader
from events.selectors.following import Place


class Overtaken(Exception):
    """Another process has moved the place meanwhile; what was done is to be rolled back."""


def reader_place(name: str) -> Place:
    """Where a reader stands; a new one begins at the beginning."""
    reader, _ = Reader.objects.get_or_create(name=name, defaults={"number": 0})
    return Place(reader.number, reader.event)


def reader_move(name: str, here: Place, there: Place) -> None:
    """Move a reader from `here`; Overtaken when it stands there no longer."""
    if here == there:
        return
    rows = Reader.objects.filter(name=name, number=here.number, event=here.event)
    if not rows.update(number=there.number, event=there.event):
        raise Overtaken(name)
