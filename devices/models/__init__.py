"""The inventory, the store and who may feed it."""

from devices.models.access import ApiKey, Heartbeat
from devices.models.imports import (
    ImportConflict,
    ImportJob,
    ImportPiece,
    ImportPlace,
    ImportRecord,
    ImportRow,
    ImportStay,
)
from devices.models.inventory import (
    Channel,
    ChannelTemplate,
    Device,
    DeviceClass,
    FunctionalGroup,
    Installation,
    Membership,
    RegisterTemplate,
)
from devices.models.records import ScheduleProfile
from devices.models.store import (
    Arrived,
    BaseBlock,
    Batch,
    IntervalBlock,
    JournalEntry,
    Quarantined,
    RegisterEntry,
    RegisterSnapshot,
    Watermark,
)

__all__ = [
    "ApiKey",
    "Arrived",
    "BaseBlock",
    "Batch",
    "Channel",
    "ChannelTemplate",
    "Device",
    "DeviceClass",
    "FunctionalGroup",
    "Heartbeat",
    "ImportConflict",
    "ImportJob",
    "ImportPiece",
    "ImportPlace",
    "ImportRecord",
    "ImportRow",
    "ImportStay",
    "Installation",
    "IntervalBlock",
    "JournalEntry",
    "Membership",
    "Quarantined",
    "RegisterEntry",
    "RegisterSnapshot",
    "RegisterTemplate",
    "ScheduleProfile",
    "Watermark",
]
