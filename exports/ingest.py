"""Files on their way in: JSON batches as posted, and every readable format, into one service."""

import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO, Literal

import msgspec

from devices import batchform
from devices.batchform import BatchRefused, Delivery, Problem
from devices.services.ingest import Provision, batch_accept
from devices.services.ingest_files import Intake
from exports import formats
from exports.formats.base import ReadReport

JSON = "json"
GZIP = b"\x1f\x8b"
DEFAULT_SOURCE = "imported"
WARNINGS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class IngestRequest:
    """A file to take in. `source`, `on_error` empty: what a JSON file says, else the default.

    `provision`: class of what is unknown; empty refuses it. `options`: the format's reader's.
    """

    path: Path
    format: str
    source: str = ""
    provision: str = ""
    resolution: Decimal | None = None
    zone: str = ""
    on_error: Literal["", "batch", "meter"] = ""
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ingested:
    """What became of a file: the batch's answer; False when it had been stored before."""

    answer: dict[str, Any]
    created: bool
    warnings: list[str]


def file_ingest(request: IngestRequest) -> Ingested:
    """Take in a file as one batch.

    BatchRefused, KeyConflict: nothing was stored. OSError: the file cannot be read. OptionError,
    UnknownFormat: it was asked for wrongly.
    """
    warnings: list[str] = []
    if request.format == JSON:
        body = _unpacked(request.path.read_bytes())
        form = _json_form(request, body)
        digest = hashlib.sha256(body).digest()
    else:
        form = _file_form(request, warnings)
        with request.path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").digest()
    provision = None
    if request.provision:
        provision = Provision(request.provision, request.resolution, request.zone)
    answer = batch_accept(
        form, body_hash=digest, key=form.batch or None, api_key=None, provision=provision
    )
    return Ingested(json.loads(answer.text), answer.created, warnings)


def readable() -> list[str]:
    """Codes of what can be read."""
    return [JSON, *(fmt.code for fmt in formats.every() if fmt.readable)]


# --- JSON ---------------------------------------------------------------------------------------


def _unpacked(body: bytes) -> bytes:
    if not body.startswith(GZIP):
        return body
    try:
        return gzip.decompress(body)
    except (EOFError, OSError, zlib.error) as error:
        raise _damaged(error) from error


def _damaged(error: Exception) -> BatchRefused:
    return BatchRefused([Problem("", "BAD_GZIP", f"the gzip file is cut off or damaged: {error}")])


def _json_form(request: IngestRequest, body: bytes) -> Delivery:
    if request.on_error:
        body = _on_error_set(body, request.on_error)
    form = batchform.decode(body)
    stated = "source" in msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    form.source = request.source or (form.source if stated else DEFAULT_SOURCE)
    return form


def _on_error_set(body: bytes, on_error: str) -> bytes:
    """The body with another `on_error`; the member counts already while it is decoded."""
    try:
        members = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        return body  # and let the decoder say why
    members["on_error"] = msgspec.Raw(msgspec.json.encode(on_error))
    return msgspec.json.encode(members)


# --- other formats ------------------------------------------------------------------------------


def _file_form(request: IngestRequest, warnings: list[str]) -> Delivery:
    fmt = formats.get(request.format)
    options = fmt.options_clean(request.options, "read")
    intake = Intake(fmt.order(options), request.zone, fmt.states_resolution)
    report = ReadReport()
    on_error = request.on_error or "batch"
    with request.path.open("rb") as stream:
        try:
            meters = list(fmt.read(_plain(stream), options, intake.channels, report))
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise _damaged(error) from error
    refused = [
        Problem(f"record {issue.record}", issue.code, str(issue))
        for issue in report.issues
        if issue.level == "error"
    ]
    if refused and on_error == "batch":
        raise BatchRefused(refused)
    if not meters and not refused:
        raise BatchRefused([Problem("", "NO_METERS", "the file holds no readings")])
    form = intake.delivery(meters, request.source or DEFAULT_SOURCE, on_error, refused)
    warnings.extend(_warnings(report, intake.moved))
    return form


def _plain(stream: BinaryIO) -> BinaryIO:
    """A stream of the file's bytes, unpacked where it is gzip."""
    packed = stream.read(len(GZIP)) == GZIP
    stream.seek(0)
    return io.BufferedReader(gzip.GzipFile(fileobj=stream)) if packed else stream


def _warnings(report: ReadReport, moved: int) -> Iterator[str]:
    """The reader's first warnings; how many more there are; what was moved."""
    found = [issue for issue in report.issues if issue.level == "warning"]
    yield from map(str, found[:WARNINGS_SHOWN])
    if report.warnings > WARNINGS_SHOWN:
        yield f"{report.warnings - WARNINGS_SHOWN} more warnings"
    if moved:
        yield f"{moved} interval ends up to a minute off the grid were moved onto it"
