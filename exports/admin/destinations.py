"""Destinations: where files go, how each is doing, and its buttons: test, accept, resume."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.views.decorators.debug import sensitive_post_parameters

from devices.admin.pages import RowPages
from exports import selectors, services
from exports.admin.destinationform import DestinationForm
from exports.delivery import DestinationFault, HostKeyFault, fingerprint
from exports.models import Destination
from exports.services.filemails import recipients_of

DELIVERIES_SHOWN = 10
KINDS = (
    ("directory", "Directory", "Of this machine, or mounted on it."),
    ("sftp", "SFTP", "A partner's server; by password or key, its host key checked."),
    ("email", "E-mail", "To addresses or to users of a role, as attachment or zip."),
)
SECRETS = ("new_password", "new_key", "new_passphrase")


class StatusFilter(admin.SimpleListFilter):
    """Destinations by how they stand."""

    title, parameter_name = "state", "state"

    def lookups(self, request, model_admin):
        return [("paused", "Paused"), ("failing", "Failing"), ("ready", "Ready")]

    def queryset(self, request, queryset):
        chosen = {
            "paused": {"paused__isnull": False},
            "failing": {"paused": None, "failures__gt": 0},
            "ready": {"paused": None, "failures": 0},
        }
        return queryset.filter(**chosen.get(self.value(), {}))


@admin.register(Destination)
class DestinationAdmin(RowPages):
    """Looked at and tried out on its page; edited in a form of its kind."""

    list_display = ("name", "kind", "place_shown", "receiver", "status_badge", "error")
    list_display_links = ("name",)
    list_filter = (StatusFilter, "kind", "active")
    search_fields = ("name",)
    search_help_text = "Beginning of a destination's name."
    keyset = "name"
    empty_hint = "Say with “Add destination” where a receiver wants files."

    def get_search_results(self, request, queryset, search_term):
        term = search_term.strip()
        if not term or "\0" in term:
            return queryset, False
        return queryset.filter(name__istartswith=term), False

    def get_urls(self):
        name = "exports_destination"
        own = [
            path(f"<int:pk>/{word}/", self.admin_site.admin_view(view), name=f"{name}_{word}")
            for word, view in (
                *(("edit", self.edit_view), ("test", self.test_view)),
                *(("accept", self.accept_view), ("resume", self.resume_view)),
            )
        ]
        return own + super().get_urls()

    # --- pages ----------------------------------------------------------------------------------
    def change_view(self, request, object_id, form_url="", extra_context=None):
        row = self.row_or_404(request, object_id)
        context = {
            "title": row.name,
            "word": row.status,
            "fingerprint": row.host_key and fingerprint(row.host_key),
            "offered": row.host_key_offered and fingerprint(row.host_key_offered),
            "recipients": recipients_of(row) if row.kind == Destination.Kind.EMAIL else [],
            "roles": list(row.user_groups.all()),
            "definitions": list(row.exportdefinition_set.order_by("name")[:20]),
            "waiting": selectors.waiting_for_destination(row),
            "deliveries": selectors.deliveries_for_destination(row, DELIVERIES_SHOWN),
            "may_edit": self.has_change_permission(request, row),
            "may_delete": self.has_delete_permission(request, row),
        }
        return self.render_page(request, "exports/destination.html", row, context)

    def add_view(self, request, form_url="", extra_context=None):
        if not self.has_add_permission(request):
            raise PermissionDenied
        kind = request.GET.get("kind", "")
        if kind not in Destination.Kind.values:
            context = {"title": "What kind of destination?", "kinds": KINDS}
            return self.render_page(request, "exports/destination_kinds.html", None, context)
        return self._form_view(request, Destination(), kind)

    def edit_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        row = self.row_or_404(request, str(pk))
        if not self.has_change_permission(request, row):
            raise PermissionDenied
        return self._form_view(request, row, row.kind)

    @method_decorator(sensitive_post_parameters(*SECRETS))
    def _form_view(self, request: HttpRequest, row: Destination, kind: str) -> HttpResponse:
        new = row.pk is None
        form = DestinationForm(request.POST or None, instance=row, kind=kind)
        if request.method == "POST" and form.is_valid():
            saved = form.save()
            self.log_change(request, saved, "Made." if new else "Edited.")
            hint = " Test it before files are sent." if new else ""
            messages.success(request, f"The destination “{saved.name}” is saved.{hint}")
            return redirect("admin:exports_destination_change", saved.pk)
        label = Destination.Kind(kind).label
        context = {
            "title": f"New destination: {label}" if new else f"Edit {row.name}",
            "form": form,
            "back": None if new else reverse("admin:exports_destination_change", args=[row.pk]),
        }
        return self.render_page(
            request, "exports/destination_form.html", None if new else row, context
        )

    # --- buttons --------------------------------------------------------------------------------
    def _asked(self, request: HttpRequest, pk: int) -> Destination:
        """The destination that something is asked of, by a POST of somebody who may."""
        row = self.row_or_404(request, str(pk))
        if not self.has_change_permission(request, row):
            raise PermissionDenied
        if request.method != "POST":
            raise Http404
        return row

    def test_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        self._test(request, self._asked(request, pk))
        return redirect("admin:exports_destination_change", pk)

    def _test(self, request: HttpRequest, row: Destination) -> None:
        """Try it out now, and tell what was found."""
        try:
            found = services.destination_test(row, by=request.user.get_username())
        except HostKeyFault as fault:
            tell = messages.error if row.host_key else messages.warning
            tell(request, f"The test stopped: {fault}.")
        except DestinationFault as fault:
            messages.error(request, f"The test failed: {fault}.")
        else:
            messages.success(request, f"The test succeeded. {found}")

    def accept_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        row = self._asked(request, pk)
        shown = request.POST.get("fingerprint", "")
        if services.host_key_accept(row, shown):
            self.log_change(request, row, f"Accepted the host key {shown}.")
            messages.success(request, f"The host key {shown} is accepted.")
            self._test(request, row)
        else:
            messages.error(request, "The server has shown another key since. Test it again.")
        return redirect("admin:exports_destination_change", pk)

    def resume_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        row = self._asked(request, pk)
        if services.destination_resume(row):
            self.log_change(request, row, "Resumed.")
            messages.success(request, "Resumed. What waits goes out now.")
        else:
            messages.info(request, "Nothing held it up.")
        return redirect("admin:exports_destination_change", pk)

    def has_delete_permission(self, request, obj=None) -> bool:
        """Only one that nothing was sent to and nothing is to be."""
        if obj is None or obj.deliveries.exists() or obj.exportdefinition_set.exists():
            return False
        return super().has_delete_permission(request, obj)

    # --- columns --------------------------------------------------------------------------------
    @admin.display(description="where")
    def place_shown(self, row: Destination) -> str:
        return row.place

    @admin.display(description="state")
    def status_badge(self, row: Destination) -> Any:
        return format_html('<span class="badge {}">{}</span>', *row.status)
