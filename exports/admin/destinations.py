"""Destinations: where files go."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin

from exports.models import Destination
from tms.keyset import KeysetAdmin


@admin.register(Destination)
class DestinationAdmin(KeysetAdmin):
    list_display = ("name", "kind", "path", "receiver", "ok_file", "active")
    list_filter = ("active",)
    search_fields = ("name",)
    search_help_text = "Beginning of a destination's name."
    keyset = "name"
    fields = ("name", "kind", "path", "receiver", "ok_file", "active")
    empty_hint = "Say with “Add destination” into which directory a receiver wants files."

    def get_search_results(self, request, queryset, search_term):
        term = search_term.strip()
        if not term or "\0" in term:
            return queryset, False
        return queryset.filter(name__istartswith=term), False

    def get_form(self, request, obj=None, change=False, **kwargs):
        form = super().get_form(request, obj, change, **kwargs)
        if "path" in form.base_fields:
            roots = ", ".join(settings.TMS_DELIVERY_ROOTS)
            form.base_fields["path"].help_text = f"An absolute path below {roots}."
        return form

    def has_delete_permission(self, request, obj=None) -> bool:
        """Only one that nothing was sent to and nothing is to be."""
        if obj is None or obj.deliveries.exists() or obj.exportdefinition_set.exists():
            return False
        return super().has_delete_permission(request, obj)
