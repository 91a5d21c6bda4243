"""The pages of events: arrivals, catalogue, incidents, message routes, alarm rules, mails."""

from events.admin import catalogue, incidents, notifications, routes, rules

__all__ = ["catalogue", "incidents", "notifications", "routes", "rules"]
