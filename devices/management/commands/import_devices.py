"""The Device Information Interface: devices from a CSV or .xlsx file."""

from devices.commandline import ImportCommand
from devices.models import ImportJob


class Command(ImportCommand):
    help = "Add, update and unprovision devices from a file: import_devices FILE"
    kind = ImportJob.Kind.DEVICES
