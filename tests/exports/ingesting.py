"""The ingest command called: what it prints, and how it refuses."""

import io
import json

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from tests.devices.posting import stored


def ingest(path, *arguments):
    """The object that the command prints."""
    out = io.StringIO()
    call_command("ingest", str(path), *arguments, "--json", stdout=out, stderr=io.StringIO())
    return json.loads(out.getvalue())


def fails(path, *arguments):
    """The error of a command that must leave no trace."""
    before = stored()
    with pytest.raises(CommandError) as caught:
        call_command("ingest", str(path), *arguments, stdout=io.StringIO(), stderr=io.StringIO())
    assert stored() == before
    assert "\n" not in str(caught.value)
    return caught.value
