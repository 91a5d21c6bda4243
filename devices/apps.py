"""The inventory and the store."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class DevicesConfig(AppConfig):
    name = "devices"
    verbose_name = "Devices and readings"

    def ready(self) -> None:
        post_migrate.connect(_seed, sender=self)


def _seed(**_: object) -> None:
    from devices.seed import seed

    seed()
