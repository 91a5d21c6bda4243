"""Pages of exports in the admin."""

from exports.admin import (  # noqa: F401
    definitions,
    deliveries,
    destinations,
    holds,
    inbox,
    runs,
)
