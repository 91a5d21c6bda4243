"""What leaves the house: definitions, runs with their parts and files, destinations, deliveries;
and the files of readings that come in by the inbox."""

from exports.models.definitions import Backlog, ExportDefinition
from exports.models.deliveries import Delivery, FileMail
from exports.models.destinations import Destination
from exports.models.holds import Hold
from exports.models.inbox import InboxFile, ReaderSetting
from exports.models.runs import ExportRun, RunFile, RunPart

__all__ = [
    "Backlog",
    "Delivery",
    "Destination",
    "ExportDefinition",
    "ExportRun",
    "FileMail",
    "Hold",
    "InboxFile",
    "ReaderSetting",
    "RunFile",
    "RunPart",
]
