"""Where a device hangs and which groups it is in, edited beneath the device."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import pairwise

from django.contrib import admin
from django.forms import BaseInlineFormSet, ValidationError

from devices.admin.pages import PlainRelations
from devices.models import FunctionalGroup, Installation, Membership

FOREVER = datetime.max.replace(tzinfo=UTC)


class PeriodFormSet(BaseInlineFormSet):
    """Rows with `valid_from` and `valid_to`; of one `lane` no two may overlap.

    The database refuses it too (PostgreSQL); this says so in words, and on SQLite at all.
    """

    def lanes(self, row: dict) -> Iterable[tuple]:
        """What this row must have for itself while it lasts, as (key, name)."""
        raise NotImplementedError

    def clean(self) -> None:
        super().clean()
        lanes: dict[object, list[tuple[datetime, datetime]]] = defaultdict(list)
        names: dict[object, str] = {}
        for form in self.forms:
            row = getattr(form, "cleaned_data", None) or {}
            if not row.get("valid_from") or row.get("DELETE"):
                continue
            end = row.get("valid_to") or FOREVER
            if end <= row["valid_from"]:
                form.add_error("valid_to", "The end must be later than the beginning.")
                continue
            for key, name in self.lanes(row):
                names[key] = name
                lanes[key].append((row["valid_from"], end))
        for key, periods in lanes.items():
            periods.sort()
            for (_, end), (start, _) in pairwise(periods):
                if start < end:
                    raise ValidationError(
                        f"Two {names[key]} overlap from {start:%Y-%m-%d %H:%M} UTC. "
                        "End the earlier one before the later one begins."
                    )


class InstallationFormSet(PeriodFormSet):
    def lanes(self, row):
        return [("installation", "installations")]


class MembershipFormSet(PeriodFormSet):
    def lanes(self, row):
        group = row.get("group")
        if group is None:
            return
        yield group.pk, f"memberships in {group.code}"
        if group.kind == FunctionalGroup.Kind.BILL_CYCLE:
            yield "cycle", "bill cycles"


class InstallationInline(admin.StackedInline):
    """Dated rows are ended, never deleted: files of past periods are made from them."""

    extra = 0
    can_delete = False
    model = Installation
    formset = InstallationFormSet
    fields = (
        ("valid_from", "valid_to"),
        ("service_point_id", "account_id", "premise_id"),
        ("transformer_id", "feeder_id", "multiplier"),
    )


class MembershipInline(PlainRelations, admin.TabularInline):
    """Ended, never deleted, as installations are."""

    extra = 0
    can_delete = False
    model = Membership
    formset = MembershipFormSet
    fields = ("group", "valid_from", "valid_to")
    autocomplete_fields = ("group",)

    def get_queryset(self, request):
        return super().get_queryset(request).select_related("group")
