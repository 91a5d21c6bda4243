"""What a definition selects."""

from exports.models import ExportDefinition
from exports.scope.asked import Selection


def selection_of(definition: ExportDefinition) -> Selection:
    """What a definition selects, as a run freezes it."""
    return Selection(
        tuple(definition.groups.order_by("code").values_list("code", flat=True)),
        tuple(definition.devices.order_by("device_id").values_list("device_id", flat=True)),
        tuple(definition.channels),
        tuple(definition.units),
    )
