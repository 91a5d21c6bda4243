"""Alarms of the house: told to whoever the settings name, so that this app need not know them."""

from django.conf import settings
from django.utils.module_loading import import_string

RUN_FAILED, MISSED = "TMS_RUN_FAILED", "TMS_MISSED"
DESTINATION, INBOX, HELD = "TMS_DESTINATION", "TMS_INBOX", "TMS_HELD"


def alarm(code: str, title: str, *, key: str = "", text: str = "", link: str = "") -> None:
    """Something that people should hear of; with a key once, until it is cleared."""
    for name in settings.TMS_ALARM_HOOKS:
        import_string(name)(code=code, title=title, key=key, text=text, link=link)


def alarm_clear(code: str, key: str) -> None:
    """What an alarm was about is over."""
    for name in settings.TMS_ALARM_CLEAR_HOOKS:
        import_string(name)(code=code, key=key)
