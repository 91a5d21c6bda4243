"""Refusals that the endpoints share. Their bodies are made in one place, by the API itself."""

from ninja.errors import ValidationError


def query_fault(name: str, code: str, message: str) -> ValidationError:
    """A query parameter that cannot be used: answered 422."""
    return ValidationError([{"type": code, "loc": ("query", name), "msg": message}])
