"""The collector of garbage, out of the way of loops that make none."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_resting() -> Iterator[None]:
    """No collection for as long as this lasts: a part of a run, or a run of its own process.

    Frames make hundreds of thousands of objects and no cycle; looking through them again and again
    takes as long as writing them.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
