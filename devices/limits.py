"""How often a key may post: a fixed window of one minute, counted in the cache.

With Redis all processes count together; the cache of the embedded default counts in each process
by itself, so there the limit is one a process.
"""

import time

from django.core.cache import cache

WINDOW = 60  # seconds


def rate_wait(name: str, allowed: int) -> int:
    """Count one use; 0 when it is allowed, else the seconds until the next window.

    `allowed` uses a minute; 0 or less sets no limit.
    """
    if allowed <= 0:
        return 0
    now = int(time.time())
    key = f"rate:{name}:{now // WINDOW}"
    # The entry outlives its window, so that it cannot expire between the two calls.
    used = 1 if cache.add(key, 1, 2 * WINDOW) else cache.incr(key)
    return 0 if used <= allowed else WINDOW - now % WINDOW
