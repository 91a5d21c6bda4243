"""The project's own app (commands, start-up, roles) and its admin site."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.db.models.signals import post_migrate


class TmsConfig(AppConfig):
    name = "tms"
    verbose_name = "TMS"
    default = True

    def ready(self) -> None:
        from tms import users  # noqa: F401  (registers the pages of users and roles)
        from tms.roles import roles_update

        post_migrate.connect(roles_update, dispatch_uid="tms.roles")


class TmsAdminConfig(AdminConfig):
    default_site = "tms.admin.TmsAdminSite"
    default = False
