"""API keys: made (and shown once), looked at, revoked."""

from __future__ import annotations

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.html import format_html, format_html_join

from devices.admin.pages import PageAdmin
from devices.models import ApiKey, FunctionalGroup
from devices.services.keys import KeyFault, api_key_create, api_key_revoke


class ApiKeyForm(forms.Form):
    """What a new key is to be called and may do."""

    name = forms.CharField(
        max_length=60, help_text="Who will use it, for example the head-end's name."
    )
    scopes = forms.MultipleChoiceField(
        choices=ApiKey.Scope.choices, widget=forms.CheckboxSelectMultiple
    )
    groups = forms.ModelMultipleChoiceField(
        FunctionalGroup.objects.order_by("code"),
        required=False,
        widget=forms.SelectMultiple(attrs={"size": 8}),
        help_text="None chosen: all devices. Else only devices that are in one of these groups.",
    )

    def clean_name(self) -> str:
        name = self.cleaned_data["name"].strip()
        if ApiKey.objects.filter(name=name).exists():
            raise forms.ValidationError(
                f"There is already a key named “{name}”, perhaps revoked. Choose another."
            )
        return name


@admin.register(ApiKey)
class ApiKeyAdmin(PageAdmin):
    """Made and revoked by the services; a key's row is never edited."""

    list_display = ("name", "allowed", "limited_to", "created", "last_used", "state")
    list_display_links = ("name",)
    keyset = "name"
    empty_hint = "Make a key with “Add API key”; whoever posts readings needs one."
    page_template = "devices/apikey.html"

    def get_queryset(self, request):
        return super().get_queryset(request).prefetch_related("groups")

    def get_urls(self):
        revoke = self.admin_site.admin_view(self.revoke_view)
        own = [path("<path:object_id>/revoke/", revoke, name="devices_apikey_revoke")]
        return own + super().get_urls()

    def has_add_permission(self, request) -> bool:
        return request.user.has_perm("devices.add_apikey")

    def has_revoke_permission(self, request) -> bool:
        return request.user.has_perm("devices.change_apikey")

    def page_context(self, request, key):
        usable = key.revoked is None and self.has_revoke_permission(request)
        names = dict(ApiKey.Scope.choices)
        return {
            "title": f"API key {key.name}",
            "scopes": [names.get(scope, scope) for scope in key.scopes],
            "may_revoke": usable,
        }

    def add_view(self, request, form_url="", extra_context=None) -> HttpResponse:
        """The form; when it is right, the page that shows the key, in the same answer.

        The key is in no redirect, session or log: it exists in this one page.
        """
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = ApiKeyForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                key, secret = api_key_create(**form.cleaned_data)
            except KeyFault as fault:
                form.add_error(None, f"The key was not made: {fault}.")
            else:
                context = {"title": "Keep this key", "secret": secret}
                return self.render_page(request, "devices/apikey_shown.html", key, context)
        context = {"title": "Add API key", "form": form, "original": None}
        return self.render_page(request, "devices/apikey_add.html", None, context)

    def revoke_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        key = self.row_or_404(request, object_id)
        if not self.has_revoke_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            if api_key_revoke(key):
                messages.success(
                    request,
                    f"The key “{key.name}” is revoked; it is refused from now on.",
                )
            return redirect("admin:devices_apikey_changelist")
        context = {"title": f"Revoke the key “{key.name}”?"}
        return self.render_page(request, "devices/apikey_revoke.html", key, context)

    @admin.display(description="may")
    def allowed(self, key: ApiKey) -> str:
        return ", ".join(key.scopes)

    @admin.display(description="limited to")
    def limited_to(self, key: ApiKey) -> str:
        codes = [(group.code,) for group in key.groups.all()]
        return format_html_join(", ", "{}", codes) if codes else "all devices"

    @admin.display(description="state")
    def state(self, key: ApiKey) -> str:
        word, label = ("discarded", "Revoked") if key.revoked else ("provisioned", "Active")
        return format_html('<span class="badge {}">{}</span>', word, label)
