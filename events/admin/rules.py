"""Alarm rules: what people are told of, whom, how often; and a message to try one out."""

from __future__ import annotations

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Max, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.html import format_html
from django.views.decorators.http import require_POST

from devices.admin.pages import PlainRelations
from events.admin.forms import AlarmRuleForm
from events.models import Alarm, AlarmRule
from events.services.delivery import mails_send_now
from events.services.notices import recipients_of, trial_make

WHO = (
    "Whom",
    {
        "fields": ("users", "user_groups", "addresses"),
        "description": "Users and roles by the addresses of the users.",
    },
)
HOW = (
    "How often",
    {
        "fields": (
            *("way", "digest_minutes", "repeat_minutes", "hourly_limit"),
            ("quiet_from", "quiet_to"),
        )
    },
)


@admin.register(AlarmRule)
class AlarmRuleAdmin(PlainRelations, admin.ModelAdmin):
    form = AlarmRuleForm
    list_display = ("name", "state_badge", "way", "whom", "waiting", "last_told")
    list_filter = ("active", "way")
    search_fields = ("name",)
    show_full_result_count = False
    actions = None
    change_form_template = "admin/events/alarmrule/change_form.html"
    autocomplete_fields = ("mnemonics", "groups")
    fieldsets = (
        (None, {"fields": ("name", "active")}),
        (
            "Which events",
            {
                "fields": ("categories", "severities", "mnemonics"),
                "description": "An event is taken by its type, or by its category and severity "
                "together.",
            },
        ),
        (
            "Of which devices, and when",
            {
                "fields": (
                    *("device_classes", "groups", "days"),
                    ("hours_from", "hours_to", "zone"),
                ),
            },
        ),
        WHO,
        HOW,
    )

    def get_queryset(self, request):
        rows = super().get_queryset(request).prefetch_related("users", "user_groups")
        return rows.annotate(
            waits=Count("alarms", filter=Q(alarms__state=Alarm.State.WAITING), distinct=True),
            told=Max("notifications__created"),
        )

    def get_fieldsets(self, request, obj=None):
        """The fallback has no conditions: it hears what no other rule takes."""
        if obj is not None and obj.fallback:
            return ((None, {"fields": ("name",)}), WHO, HOW)
        return super().get_fieldsets(request, obj)

    def get_urls(self):
        view = self.admin_site.admin_view(require_POST(self.test_view))
        own = path("<path:object_id>/test/", view, name="events_alarmrule_test")
        return [own, *super().get_urls()]

    def test_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Send a message by this rule, now and for real, and tell what the server said."""
        rule = self.get_object(request, object_id)
        if rule is None:
            raise Http404(f"There is no alarm rule numbered {object_id}.")
        if not self.has_change_permission(request, rule):
            raise PermissionDenied
        made = trial_make(rule, by=request.user.get_username())
        for mail in mails_send_now(list(made.mails.values_list("pk", flat=True))):
            tell = messages.success if mail.state == "sent" else messages.error
            tell(request, f"{mail.get_state_display()} to {mail.address or 'nobody'}: {mail.words}")
        return redirect("admin:events_alarmrule_change", rule.pk)

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        context = dict(extra_context or {})
        rule = self.get_object(request, object_id) if object_id else None
        if rule is not None:
            context |= {"recipients": recipients_of(rule)[0], "rule_waits": rule.waits}
        return super().changeform_view(request, object_id, form_url, context)

    @admin.display(description="state")
    def state_badge(self, rule: AlarmRule) -> str:
        word, label = ("provisioned", "On") if rule.active else ("", "Off")
        if rule.fallback:
            label = "Fallback"
        return format_html('<span class="badge {}">{}</span>', word, label)

    @admin.display(description="whom")
    def whom(self, rule: AlarmRule) -> str | None:
        names = [
            *(user.get_username() for user in rule.users.all()),
            *(group.name for group in rule.user_groups.all()),
            *rule.addresses.split(),
        ]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        return (", ".join(names[:3]) + more) or None

    @admin.display(description="waiting")
    def waiting(self, rule: AlarmRule) -> int:
        return rule.waits

    @admin.display(description="last told")
    def last_told(self, rule: AlarmRule):
        return rule.told

    def has_delete_permission(self, request, obj=None) -> bool:
        if obj is not None and obj.fallback:
            return False
        return super().has_delete_permission(request, obj)
