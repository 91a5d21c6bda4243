"""Template tags of our pages: times in the reader's terms, numbers with separators."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()


@register.filter
def thousands(number: int | None) -> str:
    """1234567 is 1,234,567; nothing is a dash."""
    return "–" if number is None else f"{number:,}"


@register.simple_tag(takes_context=True)
def supplied(context: template.Context, part: dict) -> SafeString:
    """What another app supplied (a card, a section): its template, which sees `context`."""
    with context.push({"context": part["context"]}):
        return context.template.engine.get_template(part["template"]).render(context)


@register.simple_tag
def ago(at: datetime | None) -> SafeString | str:
    """How long ago, with the exact instant to be had by pointing at it."""
    if at is None:
        return "never"
    seconds = int((timezone.now() - at).total_seconds())
    for size, word in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = seconds // size
            said = f"{count} {word}{'' if count == 1 else 's'} ago"
            break
    else:
        said = "just now"
    return format_html('<time datetime="{0}" title="{0}">{1}</time>', _utc(at), said)


@register.simple_tag
def local(at: datetime | None, zone: tzinfo | None = None, empty: str = "–") -> SafeString | str:
    """A local time to the minute, with UTC to be had by pointing at it."""
    if at is None:
        return empty
    there = at.astimezone(zone or timezone.get_current_timezone())
    return format_html(
        '<time datetime="{0}" title="{0}">{1}</time>',
        _utc(at),
        f"{there:%Y-%m-%d %H:%M}",
    )


@register.simple_tag
def clock(at: datetime, zone: tzinfo) -> SafeString:
    """The local time of day, with UTC to be had by pointing at it."""
    said = f"{at.astimezone(zone):%H:%M}"
    return format_html('<time datetime="{0}" title="{0}">{1}</time>', _utc(at), said)


def _utc(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
