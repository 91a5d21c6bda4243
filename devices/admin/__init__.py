"""Pages of the admin, a module a noun."""

from devices.admin import (  # noqa: F401
    batches,
    classes,
    devices,
    groups,
    imports,
    keys,
    quarantine,
    reads,
)
