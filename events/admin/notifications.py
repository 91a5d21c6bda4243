"""Notifications with the life of each message, and the system's own alarms."""

from __future__ import annotations

from datetime import datetime

from django.contrib import admin, messages
from django.db.models import Count, Exists, OuterRef, Q
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html

from devices.admin.pages import PageAdmin, ReadOnly
from events.mail import message_build
from events.models import Alarm, Mail, Notification, SystemAlarm
from events.services.delivery import mails_resend
from events.services.system import system_alarm_clear
from tms.keyset import KeysetAdmin

LISTED = 50


class MailStateFilter(admin.SimpleListFilter):
    """Notifications of which some mail is in a state."""

    title, parameter_name = "state", "state"

    def lookups(self, request, model_admin):
        return Mail.State.choices

    def queryset(self, request, queryset):
        if self.value() not in Mail.State.values:
            return queryset
        mails = Mail.objects.filter(notification=OuterRef("pk"), state=self.value())
        return queryset.filter(Exists(mails))


@admin.register(Notification)
class NotificationAdmin(PageAdmin):
    list_display = ("subject", "kind", "created_shown", "rule", "alarms", "state_badge")
    list_display_links = ("subject",)
    list_filter = (MailStateFilter, "kind")
    actions = ("send_again",)
    page_template = "events/notification.html"
    empty_hint = "They come when an alarm rule takes an event."

    def get_queryset(self, request):
        rows = super().get_queryset(request).select_related("rule").defer("text", "html")
        counts = {
            state: Count("mails", filter=Q(mails__state=state)) for state in Mail.State.values
        }
        return rows.annotate(**{f"{state}_mails": count for state, count in counts.items()})

    @admin.display(description="created")
    def created_shown(self, row: Notification) -> str:
        return _time(row.created)

    @admin.display(description="state")
    def state_badge(self, row: Notification) -> str:
        """The worst of its mails first."""
        for state, word in (("failed", "discarded"), ("queued", "held"), ("sent", "provisioned")):
            if count := getattr(row, f"{state}_mails"):
                total = row.failed_mails + row.queued_mails + row.sent_mails
                label = Mail.State(state).label + (f" {count} of {total}" if total > 1 else "")
                return format_html('<span class="badge {}">{}</span>', word, label)
        return "–"

    def page_context(self, request, row):
        mails = list(row.mails.order_by("pk"))
        first = next((mail for mail in mails[:1] if mail.address), None)
        alarms = Alarm.objects.filter(notification=row).select_related("device", "system")
        return {
            "title": row.subject,
            "mails": [(mail, [_attempt(entry) for entry in mail.log]) for mail in mails],
            "source": message_build(first).message().as_string()
            if first and first.address
            else None,
            "listed": alarms.order_by("pk")[:LISTED],
            "may_resend": self.has_resend_permission(request),
            "failed": any(mail.state == "failed" and mail.address for mail in mails),
        }

    def has_resend_permission(self, request) -> bool:
        return request.user.has_perm("events.change_notification")

    @admin.action(description="Send again", permissions=["resend"])
    def send_again(self, request, queryset) -> None:
        mails = Mail.objects.filter(notification__in=queryset)
        queued = mails_resend(list(mails))
        messages.success(request, f"{queued} {'mail is' if queued == 1 else 'mails are'} queued.")


def _time(at: datetime) -> str:
    return timezone.localtime(at).strftime("%Y-%m-%d %H:%M:%S")


def _attempt(entry: dict) -> dict:
    """An entry of a mail's log as the page shows it."""
    return {**entry, "at": parse_datetime(entry["at"])}


@admin.register(SystemAlarm)
class SystemAlarmAdmin(ReadOnly, KeysetAdmin):
    """What is, or was, wrong with the house itself."""

    list_display = (
        *("title", "code", "severity", "raised_shown", "seen_shown", "times"),
        "state_badge",
    )
    list_display_links = None
    list_filter = ("code",)
    actions = ("clear",)
    empty_hint = "Nothing was ever wrong."

    @admin.display(description="raised")
    def raised_shown(self, row: SystemAlarm) -> str:
        return _time(row.raised)

    @admin.display(description="last seen")
    def seen_shown(self, row: SystemAlarm) -> str:
        return _time(row.seen)

    @admin.display(description="state")
    def state_badge(self, row: SystemAlarm) -> str:
        word, label = ("provisioned", "Over") if row.cleared else ("discarded", "Stands")
        return format_html('<span class="badge {}">{}</span>', word, label)

    def has_clear_permission(self, request) -> bool:
        return request.user.has_perm("events.change_systemalarm")

    @admin.action(description="Take as over", permissions=["clear"])
    def clear(self, request, queryset) -> None:
        """If it is not, it is raised anew."""
        over = sum(system_alarm_clear(code=row.code, key=row.key) for row in queryset)
        messages.success(request, f"{over} taken as over.")
