"""Numbered steps of what must survive a kill at any of them. Pure; does nothing in production.

`passing` is called before and after each side effect; a test puts a hook here that ends the
process at the n-th call.
"""

from __future__ import annotations

from collections.abc import Callable

hook: Callable[[str], None] | None = None


def passing(step: str) -> None:
    """A side effect is about to be done, or was."""
    if hook is not None:
        hook(step)
