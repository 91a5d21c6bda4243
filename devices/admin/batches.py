"""Batches: what arrived, when, from whom, and what was refused of it."""

from __future__ import annotations

import json

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html

from devices.admin.pages import PageAdmin
from devices.models import Batch
from devices.readings import SOURCES

REFUSALS_SHOWN = 200


class SourceFilter(admin.SimpleListFilter):
    """By source, from the words there are: no query looks which of them occur."""

    title = parameter_name = "source"

    def lookups(self, request, model_admin):
        return [(word, word) for word in SOURCES]

    def queryset(self, request, queryset):
        return queryset.filter(source=self.value()) if self.value() else queryset


@admin.register(Batch)
class BatchAdmin(PageAdmin):
    """Looked at, never edited: a batch is what was acknowledged."""

    list_display = (
        *("label", "received", "source", "sender", "devices", "intervals"),
        *("registers", "events", "refusals"),
    )
    list_display_links = ("label",)
    list_filter = (SourceFilter,)
    search_fields = ("number",)
    search_help_text = "The number of a batch."
    empty_hint = (
        "Make an API key and post a batch to /api/v1/batches, or take in a file: "
        "ingest FILE --format FORMAT."
    )
    page_template = "devices/batch.html"

    def get_queryset(self, request):
        return super().get_queryset(request).select_related("api_key").defer("body", "answer")

    def get_search_results(self, request, queryset, search_term):
        term = search_term.strip().removeprefix("batch").strip()
        if not term:
            return queryset, False
        if not term.isascii() or not term.isdigit() or len(term) > 18:
            return queryset.none(), False
        return queryset.filter(number=int(term)), False

    def page_context(self, request, batch):
        faults = refusals_of(batch.answer)
        return {
            "title": f"Batch {batch.number or 'without number'}",
            "refused_list": faults[:REFUSALS_SHOWN],
            "refused_more": max(len(faults) - REFUSALS_SHOWN, 0),
            "quarantine": batch.quarantine.defer("payload")[:REFUSALS_SHOWN],
        }

    @admin.display(description="batch")
    def label(self, batch: Batch) -> str:
        return str(batch.number or "…")

    @admin.display(description="sender")
    def sender(self, batch: Batch) -> str:
        return batch.api_key.name if batch.api_key else "this system"

    @admin.display(description="refused")
    def refusals(self, batch: Batch) -> str:
        if not batch.refused:
            return "0"
        address = reverse("admin:devices_batch_change", args=[batch.pk])
        return format_html(
            '<a class="badge warning" href="{}#refused">{}</a>', address, batch.refused
        )


def refusals_of(answer: str) -> list[dict[str, str]]:
    """The refusals in a batch's kept answer, each `{path, code, message}`; [] when it has none."""
    try:
        refused = json.loads(answer or "{}").get("refused", [])
    except (ValueError, AttributeError):
        return []
    if not isinstance(refused, list):
        return []
    return [fault for fault in refused if isinstance(fault, dict)]
