"""Deliveries: each file's way to each destination, and the button to send it once more."""

from __future__ import annotations

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils.html import format_html

from devices.admin.pages import PageAdmin
from exports.models import Delivery
from exports.services.deliveries import delivery_again


@admin.register(Delivery)
class DeliveryAdmin(PageAdmin):
    list_display = (
        *("file_name", "destination", "state_badge", "attempts", "created", "delivered", "error"),
    )
    list_display_links = ("file_name",)
    list_filter = ("state", "destination")
    empty_hint = "A finished file is delivered to the destinations of its export."
    page_template = "exports/delivery.html"

    def get_queryset(self, request):
        return super().get_queryset(request).select_related("file__run", "destination")

    def get_urls(self):
        again = self.admin_site.admin_view(self.again_view)
        own = [path("<int:pk>/again/", again, name="exports_delivery_again")]
        return own + super().get_urls()

    def page_context(self, request, delivery):
        return {
            "title": delivery.file.name,
            "run": delivery.file.run,
            "may_resend": request.user.has_perm("exports.change_delivery"),
        }

    def again_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        delivery = self.row_or_404(request, str(pk))
        if not request.user.has_perm("exports.change_delivery"):
            raise PermissionDenied
        if request.method != "POST":
            raise Http404
        if delivery_again(delivery):
            messages.success(
                request, f"{delivery.file.name} goes to {delivery.destination} once more."
            )
        else:
            messages.info(request, f"{delivery.file.name} is on its way already.")
        return redirect("admin:exports_exportrun_change", delivery.file.run_id)

    @admin.display(description="file")
    def file_name(self, delivery: Delivery) -> str:
        return delivery.file.name

    @admin.display(description="state")
    def state_badge(self, delivery: Delivery) -> str:
        address = reverse("admin:exports_exportrun_change", args=[delivery.file.run_id])
        return format_html(
            '<a class="badge {}" href="{}">{}</a>',
            delivery.state,
            address,
            delivery.get_state_display(),
        )
