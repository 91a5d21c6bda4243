"""Quarantine: what unknown meters sent, to be released into the store or discarded."""

from __future__ import annotations

import json

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html

from devices import selectors
from devices.admin.pages import PageAdmin
from devices.models import Quarantined
from devices.services.ingest.quarantine import payload_open

PAYLOAD_SHOWN = 20_000  # characters
REASONS_SHOWN = 20


@admin.register(Quarantined)
class QuarantinedAdmin(PageAdmin):
    list_display = (
        "device",
        "code",
        "message",
        "received",
        "state_badge",
        "decided_by",
    )
    list_display_links = ("device",)
    list_filter = ("state",)
    search_fields = ("device",)
    search_help_text = "Beginning of the device id that was sent."
    actions = ("release", "discard")
    empty_hint = (
        "Meters that the inventory does not know land here when a batch says "
        "“on_error”: “meter”. There are none."
    )
    page_template = "devices/quarantined.html"

    def get_queryset(self, request):
        rows = super().get_queryset(request).select_related("batch", "released_as")
        rows = rows.defer("batch__body", "batch__answer")
        return rows.defer("released_as__body", "released_as__answer")

    def get_search_results(self, request, queryset, search_term):
        term = search_term.strip()
        if not term or "\0" in term:
            return queryset, False
        return queryset.filter(selectors.prefix_filter("device", term)), False

    @admin.display(description="state")
    def state_badge(self, row: Quarantined) -> str:
        return format_html('<span class="badge {}">{}</span>', row.state, row.get_state_display())

    def page_context(self, request, row):
        payload = pretty(payload_open(bytes(row.payload)))
        return {
            "title": f"Quarantined: {row.device}",
            "payload": payload[:PAYLOAD_SHOWN],
            "payload_more": max(len(payload) - PAYLOAD_SHOWN, 0),
            "may_decide": row.state == Quarantined.State.HELD
            and self.has_decide_permission(request),
            "list_address": reverse("admin:devices_quarantined_changelist"),
        }

    def has_decide_permission(self, request) -> bool:
        """Operators and administrators."""
        return request.user.has_perm("devices.change_quarantined")

    @admin.action(description="Release", permissions=["decide"])
    def release(self, request: HttpRequest, queryset: QuerySet) -> None:
        """Post what is held again, now that the meters are known."""
        from devices.services.quarantine import quarantine_release

        outcome = quarantine_release(_held(queryset), request.user)
        _tell(request, "released", len(outcome.released))
        for row in outcome.held[:REASONS_SHOWN]:
            messages.warning(request, f"{row.device} is still held: {row.message}")
        if not outcome.released and not outcome.held:
            messages.info(request, "Nothing was held among what was chosen.")

    @admin.action(description="Discard", permissions=["decide"])
    def discard(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        """Give up what is held, after a question."""
        held = _held(queryset)
        if held and "confirmed" not in request.POST:
            return TemplateResponse(
                request,
                "devices/discard.html",
                {
                    **self.admin_site.each_context(request),
                    "title": "Discard what these meters sent?",
                    "opts": self.opts,
                    "rows": queryset.filter(pk__in=held),
                },
            )
        from devices.services.quarantine import quarantine_discard

        gone = quarantine_discard(held, request.user)
        _tell(request, "discarded", len(gone))
        if not gone:
            messages.info(request, "Nothing was held among what was chosen.")
        return None


def _held(queryset: QuerySet) -> list[int]:
    rows = queryset.filter(state=Quarantined.State.HELD)
    return list(rows.order_by("pk").values_list("pk", flat=True))


def _tell(request: HttpRequest, done: str, count: int) -> None:
    """Say how many rows were decided on."""
    if count:
        messages.success(request, f"{count} {'meter was' if count == 1 else 'meters were'} {done}.")


def pretty(payload: bytes) -> str:
    """A payload as indented JSON, or as text where it is none."""
    text = payload.decode("utf-8", "replace")
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text
