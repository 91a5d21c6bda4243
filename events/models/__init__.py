"""The catalogue, events, incidents, message routes, alarm rules and what is sent by them."""

from events.models.alarms import Alarm, AlarmRule, Mail, Notification, SystemAlarm
from events.models.catalogue import (
    Category,
    Confidence,
    EventAlias,
    EventType,
    Severity,
    State,
)
from events.models.event import Event
from events.models.incidents import Incident
from events.models.readers import Reader
from events.models.routes import Held, Route, RouteRecord

__all__ = [
    "Alarm",
    "AlarmRule",
    "Category",
    "Confidence",
    "Event",
    "EventAlias",
    "EventType",
    "Held",
    "Incident",
    "Mail",
    "Notification",
    "Reader",
    "Route",
    "RouteRecord",
    "Severity",
    "State",
    "SystemAlarm",
]
