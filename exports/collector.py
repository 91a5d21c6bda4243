"""The collector of garbage, out of the way of loops that make hardly any."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

SELDOM = (50_000, 20, 10)  # objects made before the young ones are looked at, and so on


@contextmanager
def collector_resting() -> Iterator[None]:
    """Few collections for as long as this lasts: a part of a run, a run of its own process, a file
    that is read.

    These make hundreds of thousands of objects and few cycles; looking through them again and again
    takes as long as the work. None at all would let what little there is add up.
    """
    found = gc.get_threshold()
    gc.set_threshold(*SELDOM)
    try:
        yield
    finally:
        gc.set_threshold(*found)
