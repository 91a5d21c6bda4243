"""Reading a file in any readable format into the store: the same service that takes batches."""

import gzip
import hashlib
import io
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from django.conf import settings

from devices import batchform
from devices.batchform import BatchRefused, Problem
from devices.models import ChannelTemplate
from devices.services.ingest import Provision, batch_accept
from exports import formats
from exports.formats.base import ReadReport
from exports.intake import Intake, Inventory

JSON = "json"
GZIP = b"\x1f\x8b"
LISTED = 100  # problems of a file that are listed


class FileRefused(Exception):
    """Nothing of the file was stored; `problems` says why."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(f"{problems[0].path or 'file'}: {problems[0].message}")
        self.problems = problems


@dataclass(frozen=True, slots=True)
class FileRequest:
    """A file and how it is to be read. `source` and `on_error` empty: the file's, or defaults.

    `key`: names the batch where the file does not, so that it is stored once however often read.
    """

    path: Path
    format: str
    source: str = ""
    provision: Provision | None = None
    zone: str = ""
    on_error: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    key: str | None = None


def file_ingest(request: FileRequest) -> tuple[dict[str, Any], list[str]]:
    """Store a file's readings; the batch's answer and the reader's warnings.

    FileRefused: nothing was stored. OSError, OptionError, KeyConflict as they come.
    """
    body = _unpacked(request.path.read_bytes())
    if request.format == JSON:
        form, problems, warnings = _json(body, request), [], []
    else:
        form, problems, warnings = _read(body, request)
    try:
        answer = batch_accept(
            form,
            body_hash=hashlib.sha256(body).digest(),
            key=form.batch or request.key,
            api_key=None,
            provision=request.provision,
        )
    except BatchRefused as error:
        raise FileRefused(problems + error.problems) from error
    report = msgspec.json.decode(answer.text)
    if problems:
        report["status"] = "partial"
        report["refused"] = [msgspec.to_builtins(p) for p in problems] + report["refused"]
    return report, warnings


def _unpacked(body: bytes) -> bytes:
    if not body.startswith(GZIP):
        return body
    try:
        return gzip.decompress(body)
    except (OSError, EOFError, zlib.error) as error:
        raise FileRefused([Problem("", "BAD_GZIP", f"the file cannot be unpacked: {error}")]) from (
            error
        )


def _json(body: bytes, request: FileRequest) -> batchform.Form:
    try:
        form = batchform.decode(body, on_error=request.on_error or None)
    except BatchRefused as error:
        raise FileRefused(error.problems) from error
    if request.source:
        form.source = request.source
    return form


def _resolutions(provision: Provision) -> dict[str, str]:
    """Resolutions of channels that are made, for a reader to which cells alone do not tell them."""
    if provision.resolution is not None:
        return {"*": str(provision.resolution)}
    templates = ChannelTemplate.objects.filter(device_class__code=provision.device_class)
    found = templates.values_list("unit", "flow", "resolution")
    return {f"{unit} {flow}": str(resolution) for unit, flow, resolution in found}


def _read(body: bytes, request: FileRequest) -> tuple[batchform.Form, list[Problem], list[str]]:
    """A file in one of our formats as a batch, with the records that could not be read."""
    fmt = formats.get(request.format)
    zone = request.zone or settings.TIME_ZONE
    options = fmt.options_clean(request.options, "read")
    # What the command states for all holds for options that say nothing else.
    if "zone" in options:
        options["zone"] = options["zone"] or zone
    if "resolutions" in options and request.provision is not None:
        options["resolutions"] = options["resolutions"] or _resolutions(request.provision)
    attribute = fmt.identifier(options)
    inventory = Inventory(attribute)
    report = ReadReport()
    intake = Intake(fmt, attribute, inventory, zone)
    meters = intake.meters(fmt.read(io.BytesIO(body), options, inventory, report))
    problems = [
        Problem(f"record {issue.record}", issue.code, str(issue).partition(" ")[2])
        for issue in report.issues
        if issue.level == "error"
    ][:LISTED]
    warnings = [str(issue) for issue in report.issues if issue.level == "warning"]
    if problems and (request.on_error != "meter" or not meters):
        raise FileRefused(problems)
    if not meters:
        raise FileRefused([Problem("", "EMPTY", "there are no readings in the file")])
    if intake.snapped:
        warnings.append(f"{intake.snapped} intervals missed their grid and were put on it")
    form = batchform.Form(
        meters=meters,
        source=request.source or "imported",
        on_error="meter" if request.on_error == "meter" else "batch",
    )
    return form, problems, warnings
