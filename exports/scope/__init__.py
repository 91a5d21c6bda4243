"""What a run reads: frozen when it starts, in parts; read part by part, as of its horizon.

`parts_freeze` takes from the inventory, in one snapshot, everything that the file will hold or
that decides what is read. `frames_read` makes of such a part, with readings as of the horizon,
frames for a format: the same whenever, wherever and however often it is asked.
"""

from exports.scope.asked import ExtraDay, ExtraRead, Scope, Selection, Window
from exports.scope.changes import changed_since
from exports.scope.findings import Findings, Rest, rests_of
from exports.scope.frames import devices_of, frames_read
from exports.scope.freeze import Frozen, parts_freeze
from exports.scope.newer import windows_merge

__all__ = [
    "ExtraDay",
    "ExtraRead",
    "Findings",
    "Frozen",
    "Rest",
    "Scope",
    "Selection",
    "Window",
    "changed_since",
    "devices_of",
    "frames_read",
    "parts_freeze",
    "rests_of",
    "windows_merge",
]
