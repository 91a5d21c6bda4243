"""Files for other systems: formats, runs, and reading files in."""

from django.apps import AppConfig
from django.conf import settings


class ExportsConfig(AppConfig):
    name = "exports"
    verbose_name = "Exports"

    def ready(self) -> None:
        from exports import formats

        formats.load_formats(settings.TMS_FORMATS)
