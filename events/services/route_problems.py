"""What keeps a route from writing: noted on it, told of once, over when it writes again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.utils import timezone

from events.models import Route
from events.services.system import system_alarm_clear, system_alarm_raise

LOCKED_FOR = timedelta(seconds=30)  # … is a problem
RETRY = timedelta(minutes=1)


def problem_note(route: Route, text: str) -> None:
    """Note why a route cannot write, tell of it once, try again in a minute."""
    now = timezone.now()
    Route.objects.filter(pk=route.pk).update(
        problem=text[:255], problem_since=route.problem_since or now, retry_at=now + RETRY
    )
    system_alarm_raise(
        code="TMS_ROUTE",
        key=f"route {route.pk}",
        title=f"Message route {route.name} cannot write",
        text=f"{text}\nRecords wait in their order; TMS tries again each minute.",
    )


def problem_clear(route: Route) -> None:
    """A route writes again."""
    if route.problem or route.problem_since:
        Route.objects.filter(pk=route.pk).update(problem="", problem_since=None, retry_at=None)
        system_alarm_clear(code="TMS_ROUTE", key=f"route {route.pk}")


def locked_note(route: Route) -> None:
    """The file is locked by somebody: a problem after a while."""
    now = timezone.now()
    if route.problem_since is None:
        Route.objects.filter(pk=route.pk).update(problem_since=now)
    elif now - route.problem_since > LOCKED_FOR:
        problem_note(route, f"MRC01 MRC: the file has been locked since {route.problem_since:%T}")


def refused_note(route: Route, reasons: Sequence[str]) -> None:
    """Tell of events that a route cannot write."""
    system_alarm_raise(
        code="TMS_ROUTE",
        key=f"route {route.pk} refused",
        title=f"Message route {route.name} refused events",
        text="\n".join(reasons[:10]),
    )
