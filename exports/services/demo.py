"""The export that the demo utility begins with (settings.TMS_DEMO_HOOKS)."""

from devices.models import FunctionalGroup
from exports.models import ExportDefinition
from exports.models.definitions import SINCE_LAST
from exports.services.definitions import definition_save

NAME, GROUP = "NIGHTLY CYCLE01", "CYCLE01"


def definition_create(zone: str) -> None:
    """One bill cycle each night as CMEP, so that “Export now” can be pressed at once; made only
    where nobody has made an export yet."""
    if ExportDefinition.objects.exists():
        return
    definition = ExportDefinition(
        name=NAME,
        format="cmep",
        options={"receiver_id": "BILLING"},
        period=SINCE_LAST,
        zone=zone,
        schedule="15 2 * * *",
        schedule_zone=zone,
    )
    definition.full_clean()
    groups = FunctionalGroup.objects.filter(code=GROUP)
    definition_save(definition, groups=groups, devices=(), destinations=())
