"""Users and their roles in the admin. Registered by `TmsConfig.ready` in place of Django's own."""

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User

admin.site.unregister([User, Group])


@admin.register(User)
class TmsUserAdmin(UserAdmin):
    """Django's, but who is no superuser can neither make one nor edit one."""

    list_display = (
        "username",
        "first_name",
        "last_name",
        "email",
        "roles",
        "is_active",
    )
    list_filter = ("is_active", "groups")
    list_select_related = False

    @admin.display(description="roles")
    def roles(self, user: User) -> str:
        names = [group.name for group in user.groups.all()]
        return ", ".join(["Superuser", *names] if user.is_superuser else names) or "–"

    def get_queryset(self, request):
        return super().get_queryset(request).prefetch_related("groups")

    def get_fieldsets(self, request, obj=None):
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or request.user.is_superuser:
            return fieldsets
        return [
            (
                name,
                {
                    **options,
                    "fields": [f for f in options["fields"] if f not in _POWERS],
                },
            )
            for name, options in fieldsets
        ]

    def has_change_permission(self, request, obj=None) -> bool:
        return super().has_change_permission(request, obj) and _may_touch(request, obj)

    def has_delete_permission(self, request, obj=None) -> bool:
        return super().has_delete_permission(request, obj) and _may_touch(request, obj)


_POWERS = ("is_superuser", "user_permissions")


def _may_touch(request, user: User | None) -> bool:
    return user is None or request.user.is_superuser or not user.is_superuser


@admin.register(Group)
class TmsGroupAdmin(GroupAdmin):
    """Roles. The four shipped ones are restored by each migration, so they are not edited here."""

    def has_change_permission(self, request, obj=None) -> bool:
        return super().has_change_permission(request, obj) and not _shipped(obj)

    def has_delete_permission(self, request, obj=None) -> bool:
        return super().has_delete_permission(request, obj) and not _shipped(obj)


def _shipped(group: Group | None) -> bool:
    from tms.roles import ROLES

    return group is not None and group.name in ROLES
