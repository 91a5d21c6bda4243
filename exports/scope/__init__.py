"""What a run reads: frozen when it starts, in parts; read part by part, as of its horizon.

`parts_freeze` takes from the inventory, in one snapshot, everything that the file will hold or
that decides what is read. `frames_read` makes of such a part, with readings as of the horizon,
frames for a format: the same whenever, wherever and however often it is asked.
"""

from exports.scope.asked import ExtraDay, ExtraRead, Scope, Selection
from exports.scope.changes import changed_since
from exports.scope.frames import devices_of, frames_read
from exports.scope.freeze import Frozen, parts_freeze

__all__ = [
    "ExtraDay",
    "ExtraRead",
    "Frozen",
    "Scope",
    "Selection",
    "changed_since",
    "devices_of",
    "frames_read",
    "parts_freeze",
]
