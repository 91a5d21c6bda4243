"""Which request, task, run or batch a line of the log belongs to: ids that stand while one works.

Kept by thread (contextvars), so that whoever logs need not be told. tms.logs writes them.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

_standing: ContextVar[dict[str, str | int]] = ContextVar("standing")


@contextmanager
def bound(**named: str | int) -> Iterator[None]:
    """These ids stand while the block works, beside those that stood before."""
    token = _standing.set({**ids(), **named})
    try:
        yield
    finally:
        _standing.reset(token)


def note(**named: str | int) -> None:
    """Add ids that have become known to those of the innermost block; outside of any, nothing."""
    if standing := _standing.get(None):
        standing.update(named)


def ids() -> Mapping[str, str | int]:
    """What stands now."""
    return _standing.get(None) or {}
