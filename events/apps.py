"""The event catalogue, and what happened at the devices."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class EventsConfig(AppConfig):
    name = "events"
    verbose_name = "Events"

    def ready(self) -> None:
        from events.catalogue import catalogue_seed
        from events.defaults import defaults_seed

        post_migrate.connect(catalogue_seed, sender=self)
        post_migrate.connect(defaults_seed, sender=self)
