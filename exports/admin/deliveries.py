"""Deliveries: each file's way to each destination, and the button to send it once more."""

from __future__ import annotations

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html

from exports import places
from exports.admin.lists import ListedAdmin, shown, stamp
from exports.models import Delivery
from exports.services.deliveries import delivery_again


@admin.register(Delivery)
class DeliveryAdmin(ListedAdmin):
    list_display = (
        *("file_name", "destination", "state_badge", "attempts", "created_shown"),
        *("delivered_shown", "next_shown", "error"),
    )
    list_display_links = ("file_name",)
    list_filter = ("state", "destination", "destination__kind")
    search_fields = ("file__path",)
    search_help_text = "Beginning of a file's name, or a batch of 14 digits."
    empty_hint = "A finished file is delivered to the destinations of its export."
    page_template = "exports/delivery.html"
    csv_columns = (
        *("file", "export", "batch", "bytes", "sha256", "destination", "kind", "state"),
        *("attempts", "created_utc", "delivered_utc", "next_try_utc", "error"),
    )

    def get_queryset(self, request):
        return super().get_queryset(request).select_related("file__run", "destination")

    def get_search_results(self, request, queryset, search_term):
        term = search_term.strip()
        if not term or "\0" in term:
            return queryset, False
        if term.isascii() and term.isdigit() and len(term) == 14:
            return queryset.filter(file__run__batch_id=term), False
        return queryset.filter(file__path__startswith=f"{places.produced()}/{term}"), False

    def get_urls(self):
        again = self.admin_site.admin_view(self.again_view)
        own = [path("<int:pk>/again/", again, name="exports_delivery_again")]
        return own + super().get_urls()

    def csv_cells(self, delivery: Delivery):
        file, to = delivery.file, delivery.destination
        return (
            *(file.name, file.run.name, file.run.batch_id, file.bytes, file.sha256),
            *(to.name, to.kind, delivery.state, delivery.attempts, stamp(delivery.created)),
            *(stamp(delivery.delivered), stamp(delivery.next_try), delivery.error),
        )

    def page_context(self, request, delivery):
        return {
            "title": delivery.file.name,
            "run": delivery.file.run,
            "mails": list(delivery.mails.all()),
            "may_resend": request.user.has_perm("exports.change_delivery"),
        }

    def again_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        delivery = self.row_or_404(request, str(pk))
        if not request.user.has_perm("exports.change_delivery"):
            raise PermissionDenied
        if request.method != "POST":
            raise Http404
        name, to = delivery.file.name, delivery.destination
        if not delivery_again(delivery):
            messages.info(request, f"{name} is on its way already.")
        elif to.paused or not to.active:
            messages.warning(request, f"{name} goes to {to} once more, when that is resumed.")
        else:
            messages.success(request, f"{name} goes to {to} once more.")
        return redirect("admin:exports_exportrun_change", delivery.file.run_id)

    @admin.display(description="file")
    def file_name(self, delivery: Delivery) -> str:
        return delivery.file.name

    @admin.display(description="next try")
    def next_shown(self, delivery: Delivery) -> str | None:
        if delivery.next_try is None or delivery.next_try <= timezone.now():
            return None
        return shown(delivery.next_try)

    @admin.display(description="created")
    def created_shown(self, delivery: Delivery) -> str | None:
        return shown(delivery.created)

    @admin.display(description="delivered")
    def delivered_shown(self, delivery: Delivery) -> str | None:
        return shown(delivery.delivered)

    @admin.display(description="state")
    def state_badge(self, delivery: Delivery) -> str:
        address = reverse("admin:exports_exportrun_change", args=[delivery.file.run_id])
        return format_html(
            '<a class="badge {}" href="{}">{}</a>',
            delivery.state,
            address,
            delivery.get_state_display(),
        )
