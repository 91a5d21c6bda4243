"""Device classes, with the channels and registers that their devices are given."""

from __future__ import annotations

from django.contrib import admin

from devices.models import ChannelTemplate, DeviceClass, RegisterTemplate


class ChannelTemplateInline(admin.TabularInline):
    model = ChannelTemplate
    extra = 0
    verbose_name_plural = "channels of a new device"


class RegisterTemplateInline(admin.TabularInline):
    model = RegisterTemplate
    extra = 0
    verbose_name_plural = "registers of a new device"


@admin.register(DeviceClass)
class DeviceClassAdmin(admin.ModelAdmin):
    """A change here is for devices made later; what is in the field keeps its channels."""

    list_display = ("code", "name", "manufacturer")
    fields = ("code", "name", "manufacturer")
    list_per_page = 100
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    inlines = (ChannelTemplateInline, RegisterTemplateInline)

    def get_readonly_fields(self, request, obj=None):
        return ("code",) if obj and obj.devices.exists() else ()

    def has_delete_permission(self, request, obj=None) -> bool:
        """Only a class that no device has; and one at a time."""
        if obj is None or obj.devices.exists():
            return False
        return super().has_delete_permission(request, obj)
