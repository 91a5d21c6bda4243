"""Pure: a process that is about to move much data is set up for it, once."""

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache

# Of mallopt(3): what is free at the end of the heap is kept up to so many bytes, and what is
# larger than so many comes from the system by itself. As delivered, the arrays of each block are
# given back to the system and asked for again, page by page: a third of the time that text takes.
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
KEPT, APART = 64 << 20, 16 << 20
# Objects made before the young ones are looked at, and so on. Lists of some thousand texts are made
# and dropped all the time; looking through them after every 700 objects finds nothing that counting
# had not freed.
SELDOM = (50_000, 20, 10)


@cache
def longwork_begin() -> None:
    """Keep freed memory for the next array; collect garbage rarely, and of what is new."""
    with suppress(AttributeError, OSError):  # another C library keeps its own counsel
        allocator = ctypes.CDLL(None)
        allocator.mallopt(TRIM_THRESHOLD, KEPT)
        allocator.mallopt(MMAP_THRESHOLD, APART)
    gc.freeze()
    gc.set_threshold(*SELDOM)


@contextmanager
def collector_resting() -> Iterator[None]:
    """Few collections for as long as this lasts: a part of a run, a file that is read.

    These make hundreds of thousands of objects and few cycles; looking through them again and again
    takes as long as the work. None at all would let what little there is add up.
    """
    found = gc.get_threshold()
    gc.set_threshold(*SELDOM)
    try:
        yield
    finally:
        gc.set_threshold(*found)
