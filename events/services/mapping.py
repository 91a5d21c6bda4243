"""Giving events that are stored under an unknown code to the type that it stands for."""

from __future__ import annotations

from typing import NamedTuple

from django.db import transaction
from django.db.models import Exists, OuterRef

from events.codes import is_iec, native_number
from events.models import Event, EventAlias


class Mapped(NamedTuple):
    """Events that were given to the type, and those that stay: the same event is there already."""

    moved: int
    left: int


def alias_apply(alias: EventAlias) -> Mapped:
    """Re-map what is stored under the code of an alias; within its head-end and device class.

    What was written, alarmed or paired before stays as it was. Events that came under a code that
    has its own type are not touched.
    """
    kind = alias.type
    stored = Event.objects.filter(type__unmapped=True).exclude(type=kind)
    if is_iec(alias.code):
        stored = stored.filter(iec_code=alias.code)
    else:
        stored = stored.filter(type__mnemonic=alias.code)
    if alias.head_end_id:
        stored = stored.filter(batch__api_key=alias.head_end_id)
    if alias.device_class_id:
        stored = stored.filter(device__device_class=alias.device_class_id)
    same = Event.objects.filter(
        device=OuterRef("device"), time=OuterRef("time"), identity=OuterRef("identity"), type=kind
    )
    with transaction.atomic():
        fields = {"type": kind, "category": kind.category, "severity": kind.severity}
        if native_number(alias.code) or is_iec(alias.code):
            fields["iec_code"] = kind.iec_codes.partition(";")[0]
        if alias.phases:
            stored.filter(~Exists(same), phases="").update(phases=alias.phases)
        moving = stored.filter(~Exists(same)).values("pk")
        moved = Event.objects.filter(pk__in=list(moving.values_list("pk", flat=True))).update(
            **fields
        )
        return Mapped(moved, stored.count())
