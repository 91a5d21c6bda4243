"""What an installation begins with: the default message route and the fallback rule.

Made once; what an operator has changed or taken away stays so.
"""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db import transaction

ROUTE = "Outage and power quality"
FALLBACK = "Fallback"
SEEDED = "defaults"


def defaults_seed(sender: AppConfig, using: str = "default", **kwargs: Any) -> None:
    """Make them where that was not done yet; a `post_migrate` receiver.

    Events that are there already are paired into incidents, but not written and not alarmed.
    """
    models = kwargs.get("apps") or sender.apps
    try:
        readers = models.get_model("events", "Reader").objects.using(using)
        routes = models.get_model("events", "Route").objects.using(using)
        rules = models.get_model("events", "AlarmRule").objects.using(using)
    except LookupError:  # migrated back to before there were any
        return
    if readers.filter(name=SEEDED).exists():
        return
    groups = models.get_model("auth", "Group").objects.using(using)
    marks = models.get_model("devices", "Watermark").objects.using(using)
    newest = marks.filter(name="batch").values_list("number", flat=True).first() or 0
    with transaction.atomic(using=using):
        readers.get_or_create(name=SEEDED)
        readers.get_or_create(name="alarms", defaults={"number": newest})
        routes.get_or_create(name=ROUTE, defaults={"catalogue_default": True, "number": newest})
        if not rules.filter(fallback=True).exists():
            rule = rules.create(name=FALLBACK, fallback=True)
            rule.user_groups.add(groups.get_or_create(name="Administrator")[0])
