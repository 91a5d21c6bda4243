"""The admin site: dashboard, navigation and search, assembled from what the apps supply by name.

Hooks, all lists of dotted names in settings:

- `TMS_DASHBOARD_CARDS`: `(request) -> list of cards`. A card is a mapping of `title`, `template`,
  `context`, and optionally `size` ("small", "half", "wide") and `link` (where its title leads).
- `TMS_ATTENTION`: `(request) -> mapping` of what somebody should look at: `figures` as tiles have
  them, `lines` of `text` and `link`. All of it is one card, before the others, or none.
- `TMS_SEARCHES`: `(request, text) -> address or None`; the first address wins.
"""

from __future__ import annotations

from typing import NamedTuple

from django.apps import apps as django_apps
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.module_loading import import_string


class Section(NamedTuple):
    """A heading of the navigation and the models under it."""

    name: str
    models: tuple[str, ...]


NAVIGATION = (
    Section(
        "Fleet",
        (
            *("devices.device", "devices.functionalgroup", "devices.deviceclass"),
            "devices.scheduleprofile",
        ),
    ),
    Section(
        "Readings",
        (
            *("devices.registersnapshot", "devices.batch", "devices.quarantined"),
            *("exports.inboxfile", "exports.readersetting"),
        ),
    ),
    Section(
        "Events",
        (
            *("events.event", "events.incident", "events.route", "events.alarmrule"),
            *("events.notification", "events.systemalarm"),
            *("events.eventtype", "events.eventalias"),
        ),
    ),
    Section(
        "Exports",
        (
            *("exports.exportdefinition", "exports.exportrun", "exports.hold"),
            *("exports.destination", "exports.delivery"),
        ),
    ),
    Section("Imports", ("devices.importjob",)),
    Section("Access", ("devices.apikey", "auth.user", "auth.group", "axes.accessattempt")),
)
LABELS = {
    "auth.group": "Roles",
    "axes.accessattempt": "Failed log-ins",
    "devices.quarantined": "Quarantine",
    "exports.inboxfile": "Inbox",
    "exports.readersetting": "Inbox settings",
    "exports.hold": "Held back",
}
HIDDEN = {"axes.accesslog", "axes.accessfailurelog"}
NO_CARD_TEMPLATE = "a dashboard card needs a title and a template: {}"


class TmsAdminSite(admin.AdminSite):
    """The stock admin under our navigation, dashboard and look."""

    site_header = "TMS"
    site_title = "TMS"
    index_title = "Dashboard"
    site_url = None
    empty_value_display = "–"

    def get_urls(self):
        search = path("search/", self.admin_view(self.search_view), name="search")
        return [search, *super().get_urls()]

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[dict]:
        """The navigation: sections in the order of NAVIGATION, then apps that it does not know."""
        apps = super().get_app_list(request, app_label)
        if app_label:
            return apps
        models = {
            f"{app['app_label']}.{model['object_name'].lower()}": model
            for app in apps
            for model in app["models"]
        }
        for label in HIDDEN & models.keys():
            del models[label]
        for label in LABELS.keys() & models.keys():
            models[label]["name"] = LABELS[label]
        sections = {
            section.name: [models.pop(label) for label in section.models if label in models]
            for section in NAVIGATION
        }
        for label, model in models.items():
            name = django_apps.get_app_config(label.split(".")[0]).verbose_name
            sections.setdefault(str(name), []).append(model)
        return [_section(name, found) for name, found in sections.items() if found]

    def index(self, request: HttpRequest, extra_context: dict | None = None) -> HttpResponse:
        """The dashboard."""
        context = {
            **self.each_context(request),
            "title": self.index_title,
            "subtitle": None,
            "cards": dashboard_cards(request),
            **(extra_context or {}),
        }
        request.current_app = self.name
        return TemplateResponse(request, "admin/index.html", context)

    def search_view(self, request: HttpRequest) -> HttpResponse:
        """Where the search box of the header leads: to the page of what was meant."""
        text = request.GET.get("q", "").strip()
        for name in settings.TMS_SEARCHES if text else ():
            if address := import_string(name)(request, text):
                return redirect(address)
        return redirect("admin:index")


def dashboard_cards(request: HttpRequest) -> list[dict]:
    """The cards that the apps supply, in the order of the setting."""
    cards = [card for name in settings.TMS_DASHBOARD_CARDS for card in import_string(name)(request)]
    cards = [*_attention_card(request), *cards]
    for card in cards:
        if not (card.get("title") and card.get("template")):
            raise ValueError(NO_CARD_TEMPLATE.format(card))
    return cards


def _attention_card(request: HttpRequest) -> list[dict]:
    """What has failed or waits for a person, before what goes well; no card when there is none."""
    found: dict[str, list] = {"figures": [], "lines": []}
    for name in settings.TMS_ATTENTION:
        for kind, some in import_string(name)(request).items():
            found[kind] += some
    if not any(found.values()):
        return []
    template = "admin/attention.html"
    return [{"title": "Needs attention", "template": template, "size": "wide", "context": found}]


def _section(name: str, models: list[dict]) -> dict:
    """A heading in the shape that Django's templates take."""
    return {
        "name": name,
        "app_label": name.lower(),
        "app_url": models[0]["admin_url"],
        "has_module_perms": True,
        "models": models,
    }
