"""What leaves the house: definitions, runs with their parts and files, destinations, deliveries."""

from exports.models.definitions import Backlog, ExportDefinition
from exports.models.deliveries import Delivery, Destination
from exports.models.runs import ExportRun, RunFile, RunPart

__all__ = [
    "Backlog",
    "Delivery",
    "Destination",
    "ExportDefinition",
    "ExportRun",
    "RunFile",
    "RunPart",
]
