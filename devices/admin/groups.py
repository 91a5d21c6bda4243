"""Functional groups: their list, and a page with the devices that are in one now."""

from __future__ import annotations

from django.contrib import admin

from devices import selectors
from devices.admin.pages import RowHistory
from devices.models import FunctionalGroup
from tms.keyset import KeysetAdmin, page_of


@admin.register(FunctionalGroup)
class FunctionalGroupAdmin(RowHistory, KeysetAdmin):
    list_display = ("code", "name", "kind", "description")
    list_filter = ("kind",)
    search_fields = ("code",)
    search_help_text = "Beginning of a group code."
    keyset = "code"
    fields = ("code", "name", "kind", "description")
    empty_hint = "Make one with “Add”, or import the list of bill cycles and groups."
    change_form_template = "admin/devices/functionalgroup/change_form.html"

    def get_search_results(self, request, queryset, search_term):
        term = search_term.strip()
        if not term or "\0" in term:
            return queryset, False
        begins = selectors.prefix_filter("code", term)
        return queryset.filter(begins | selectors.prefix_filter("code", term.upper())), False

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        context = dict(extra_context or {})
        group = self.get_object(request, object_id) if object_id else None
        if group is not None and request.user.has_perm("devices.view_device"):
            members = selectors.members_for_group(group)
            count, more = selectors.capped_count(members)
            page = page_of(members, "device_id", request.GET)
            context |= {
                "title": group.code,
                "subtitle": group.name,
                "show_save_and_add_another": False,
                "members": page.rows,
                "member_links": page.links(),
                "member_count": f"{count:,}{'+' if more else ''}",
            }
        return super().changeform_view(request, object_id, form_url, context)

    def get_readonly_fields(self, request, obj=None):
        """A group in use keeps its code and kind: files and memberships refer to them."""
        return ("code", "kind") if obj and obj.memberships.exists() else ()

    def has_delete_permission(self, request, obj=None) -> bool:
        """Only a group that never had a device; and one at a time."""
        if obj is None or obj.memberships.exists():
            return False
        return super().has_delete_permission(request, obj)
