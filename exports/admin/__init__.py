"""Pages of exports, a module a noun."""

from exports.admin import definitions, deliveries, destinations, runs  # noqa: F401
