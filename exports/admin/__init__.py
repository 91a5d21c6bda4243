"""Pages of exports in the admin."""

from exports.admin import definitions, deliveries, destinations, inbox, runs  # noqa: F401
