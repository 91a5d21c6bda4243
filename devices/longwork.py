"""Pure: a process that is about to move much data is set up for it, once."""

import ctypes
import gc
from contextlib import suppress
from functools import cache

# Of mallopt(3): what is free at the end of the heap is kept up to so many bytes, and what is
# larger than so many comes from the system by itself. As delivered, the arrays of each block are
# given back to the system and asked for again, page by page: a third of the time that text takes.
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
KEPT, APART = 64 << 20, 16 << 20
# Lists of some thousand texts are made and dropped all the time; looking through them after every
# 700 objects finds nothing that counting had not freed.
OBJECTS = 50_000


@cache
def longwork_begin() -> None:
    """Keep freed memory for the next array; collect garbage rarely, and of what is new."""
    with suppress(AttributeError, OSError):  # another C library keeps its own counsel
        allocator = ctypes.CDLL(None)
        allocator.mallopt(TRIM_THRESHOLD, KEPT)
        allocator.mallopt(MMAP_THRESHOLD, APART)
    gc.freeze()
    gc.set_threshold(OBJECTS, *gc.get_threshold()[1:])
