"""What other apps are told: named in settings, so that this one need not know them."""

from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string


def alarm(kind: str, text: str, about: Any = None) -> None:
    """Something of the system's own that people should hear of, such as a failed run.

    `settings.TMS_SYSTEM_ALARMS`: functions (kind, text, about).
    """
    for name in settings.TMS_SYSTEM_ALARMS:
        import_string(name)(kind, text, about)
