"""Addresses of ways, filled with rows."""

from typing import Any

from django.urls import reverse

from tests.security.rows import Rows
from tests.security.ways import Way

# What an address takes beside the key of a row.
PARAMETERS: dict[str, Any] = {
    "app_label": "devices",
    "content_type_id": 1,
    "day": "2026-03-14",
    "device": "D0000",
    "device_id": "D0000",
    "extension": "csv",
    "kind": "devices",
    "n": 1,
    "name": "NIGHTLY",
    "path": "nowhere",
    "run_id": 0,
    "url": "nowhere",
}
KEYS = ("object_id", "pk", "id")


def address(way: Way, rows: Rows) -> str:
    """The address of a way, of the row that it is about."""
    label = ".".join(way.name.removeprefix("admin:").split("_")[:2])
    if not way.name:
        label = ".".join(way.route.split("/")[:2])
        return "/" + "/".join(
            str(rows[label]) if step.startswith("<") else step for step in way.route.split("/")
        ).replace("(?P<url>.*)$", "nowhere")
    if way.parameters and way.parameters[0] == "group":  # history by simple_history
        return reverse(way.name, args=[rows[label], history_id(label, rows[label])])
    values = {
        name: rows[label] if name in KEYS and label in rows else PARAMETERS.get(name, 1)
        for name in way.parameters
    }
    return reverse(way.name, kwargs=values)


def history_id(label: str, key: Any) -> int:
    """The key of a row's newest record in its history."""
    from django.apps import apps

    return apps.get_model(label).history.filter(id=key).latest().history_id
