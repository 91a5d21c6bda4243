"""What is held back by the gate: meters of an export of periods, and runs as a whole."""

from collections.abc import Callable, Sequence

import numpy as np
from django.db.models import Q

from devices.journal import sql
from exports.coverage.facts import Facts, Flags
from exports.models import ExportDefinition, Hold


def held_of(definition: ExportDefinition, devices: Sequence[int]) -> Callable[[Facts], Flags]:
    """Which readings of these devices are held back, as far as it does not stand in the backlog."""
    of_these = Q(device=None) | Q(device__in=sql.id_set(devices))
    rows = list(
        Hold.objects.filter(of_these, definition=definition, state=Hold.State.HELD).values_list(
            "device_id", "start", "end", "run__horizon"
        )
    )

    def held(facts: Facts) -> Flags:
        found = np.zeros(facts.numbers.shape, bool)
        for device, start, end, horizon in rows:
            if definition.is_since_last and device is not None:
                continue  # what is owed of it stands in the backlog
            inside = (facts.ends > start.timestamp()) & (facts.ends <= end.timestamp())
            mine = np.ones(len(facts.device), bool) if device is None else facts.device == device
            found |= mine[:, None] & inside & (facts.numbers <= (horizon or 0))
        return found

    return held
