"""Every address that the URL resolver knows, found by walking it: nothing can be left out."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from django.urls import get_resolver
from django.urls.resolvers import RoutePattern, URLPattern, URLResolver


class Way(NamedTuple):
    """A way into the house: its full name (empty where it has none) and its pattern."""

    name: str
    route: str
    parameters: tuple[str, ...]

    def __str__(self) -> str:
        return self.name or self.route


def ways() -> list[Way]:
    """All of them, in the order in which they are tried."""
    return list(_walk(get_resolver().url_patterns, (), "", ()))


def _walk(
    patterns: Iterable[URLPattern | URLResolver],
    names: tuple[str, ...],
    route: str,
    parameters: tuple[str, ...],
) -> Iterator[Way]:
    for pattern in patterns:
        below = route + str(pattern.pattern)
        asked = (*parameters, *_parameters(pattern.pattern))
        if isinstance(pattern, URLResolver):
            inner = (*names, pattern.namespace) if pattern.namespace else names
            yield from _walk(pattern.url_patterns, inner, below, asked)
        else:
            yield Way(":".join((*names, pattern.name)) if pattern.name else "", below, asked)


def _parameters(pattern) -> tuple[str, ...]:
    """Names of what an address takes, in their order; a regular expression's unnamed as `group`."""
    if isinstance(pattern, RoutePattern):
        return tuple(pattern.converters)
    names = tuple(pattern.regex.groupindex)
    return names or ("group",) * pattern.regex.groups
