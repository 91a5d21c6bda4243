"""The Bill Cycle/Group Information Interface: memberships from a CSV or .xlsx file."""

from devices.commandline import ImportCommand
from devices.models import ImportJob


class Command(ImportCommand):
    help = "Add, remove and move members of groups from a file: import_groups FILE"
    kind = ImportJob.Kind.GROUPS
