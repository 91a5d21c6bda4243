"""Events of a batch: checked and stored by whoever the settings name."""

from collections.abc import Sequence

from django.conf import settings
from django.utils.module_loading import import_string

from devices.batchform import Event as Posted, Meter
from devices.models import Batch
from devices.readings import Event
from devices.services.ingest.problems import Faults


def events_check(index: int, meter: Meter, faults: Faults) -> list[Event]:
    """The events of a meter; what is wrong with them is noted."""
    found = []
    checks = [import_string(name) for name in settings.TMS_EVENT_CHECKS] if meter.events else []
    for place, posted in enumerate(meter.events):
        event = _event(posted)
        for check in checks:
            for member, code, message in check(event):
                faults.add(
                    *(index, f"events[{place}].{member}", code.upper()),
                    f"{meter.name} event {posted.code[:40]}: {member}: {message}",
                )
        found.append(event)
    return found


def _event(posted: Posted) -> Event:
    return Event(
        code=posted.code,
        time=posted.time,
        event_id=posted.id,
        origin=posted.origin,
        native=posted.native,
        phases=posted.phases,
        value=posted.value,
        unit=posted.unit,
        duration=posted.duration,
        text=posted.text,
    )


def batch_hooks_run(batch: Batch, events: Sequence[tuple[int, Event]]) -> int:
    """Hand a batch with its events to the hooks, in its transaction; events that were new."""
    return sum(import_string(name)(batch, events) or 0 for name in settings.TMS_BATCH_HOOKS)
