"""Writes that touch more than one row; the hooks that the settings name are here.

- `batch_events_store`, `event_check`: the way in (TMS_BATCH_HOOKS, TMS_EVENT_CHECKS).
- `system_alarm_raise`, `system_alarm_clear`: what other apps tell of the house itself
  (TMS_ALARM_HOOKS, TMS_ALARM_CLEAR_HOOKS).
"""

from events.checks import event_check
from events.services.store import batch_events_store, event_types_ensure
from events.services.system import system_alarm_clear, system_alarm_raise

__all__ = [
    "batch_events_store",
    "event_check",
    "event_types_ensure",
    "system_alarm_clear",
    "system_alarm_raise",
]
