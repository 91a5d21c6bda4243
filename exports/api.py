"""Exports over HTTP: start a run of a definition, watch it, fetch its files."""

from datetime import datetime
from typing import Any, Literal

from django.db import IntegrityError
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Router, Schema, Status
from pydantic import Field

from devices import batchform
from devices.api.auth import KeyAuth
from devices.api.errors import query_fault
from devices.api.schemas import Instant, refusals
from exports import formats, services
from exports.formats.base import OptionError
from exports.models import ExportDefinition, ExportRun, RunFile

router = Router(tags=["Exports"], auth=KeyAuth("export"))
BYTES = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


class RunAsked(Schema):
    """A period in place of the definition's; both or neither."""

    start: Instant | None = None
    end: Instant | None = None
    mode: Literal["normal", "correction"] = Field(
        "normal", description="`correction`: nothing but what changed after it was sent."
    )


class FileOut(Schema):
    n: int
    name: str
    bytes: int
    sha256: str


class RunOut(Schema):
    run: int
    export: str
    format: str
    mode: str = Field(description="OR, IN, RE or CO: original, what is new, again, corrections.")
    status: str
    phase: str
    progress: int = Field(description="Percent.")
    horizon: int | None
    created: datetime
    finished: datetime | None
    meters: int
    records: int
    intervals: int
    registers: int
    missing: int
    files: list[FileOut]
    warnings: list[str]
    error: str


def run_out(run: ExportRun) -> dict[str, Any]:
    """A run as the API and the run's page show it."""
    return {
        "run": run.pk,
        "export": run.name,
        "status": run.state,
        "files": [
            {"n": file.position, "name": file.name, "bytes": file.bytes, "sha256": file.sha256}
            for file in run.files.all()
            if file.published
        ],
        **{
            name: getattr(run, name)
            for name in (
                *(
                    "format",
                    "mode",
                    "phase",
                    "progress",
                    "horizon",
                    "created",
                    "finished",
                    "meters",
                ),
                *("records", "intervals", "registers", "missing", "warnings", "error"),
            )
        },
    }


@router.post(
    "/exports/{name}/runs",
    summary="Start a run",
    response={201: RunOut, 200: RunOut, **refusals(404, 409, 422)},
)
def run_start(request: HttpRequest, name: str, asked: RunAsked) -> Status[dict[str, Any]]:
    """201: a run that waits for a worker. 200: this `Idempotency-Key` has its run already."""
    definition = _definition(request, name)
    key = request.headers.get("Idempotency-Key")
    if key is not None and not batchform.KEY.fullmatch(key):
        raise query_fault("Idempotency-Key", "BAD_KEY", "1 to 200 printable ASCII characters")
    if (asked.start is None) != (asked.end is None):
        raise query_fault("end", "PERIOD", "give start and end, or neither")
    if key is not None and (known := _known(request, key)):
        return _same(known, definition)
    try:
        run = services.definition_run(
            definition,
            trigger=ExportRun.Trigger.API,
            api_key=request.auth,
            key=key,
            start=asked.start,
            end=asked.end,
            corrections=asked.mode == "correction",
        )
    except (OptionError, ValueError) as error:
        raise query_fault("start", "NO_RUN", str(error)) from error
    except IntegrityError:
        known = _known(request, str(key))
        if known is None:
            raise
        return _same(known, definition)
    return Status(201, run_out(run))


def _known(request: HttpRequest, key: str) -> ExportRun | None:
    return ExportRun.objects.filter(api_key=request.auth, key=key).first()


def _same(run: ExportRun, definition: ExportDefinition) -> Status[dict[str, Any]]:
    if run.definition_id != definition.pk:
        raise query_fault("Idempotency-Key", "KEY_USED", f"this key started a run of {run.name}")
    return Status(200, run_out(run))


@router.get("/runs/{run_id}", summary="One run", response={200: RunOut, **refusals(404)})
def run_detail(request: HttpRequest, run_id: int) -> dict[str, Any]:
    """State, progress, counts, and files when there are any."""
    return run_out(_run(request, run_id))


@router.get(
    "/runs/{run_id}/files/{n}",
    summary="A file of a run",
    response=refusals(404, 410),
    openapi_extra={"responses": {200: {"description": "The file", "content": BYTES}}},
)
def run_file(request: HttpRequest, run_id: int, n: int) -> HttpResponse | FileResponse:
    """The file's kept bytes, the same each time; 410 when its term is over."""
    file = _run(request, run_id).files.filter(position=n, published=True).first()
    if file is None:
        raise Http404(f"Run {run_id} has no file {n}.")
    return file_response(file)


@router.get(
    "/schemas/{name}",
    summary="A schema",
    auth=None,
    response=refusals(404),
    openapi_extra={"responses": {200: {"description": "The schema (XSD)"}}},
)
def schema_file(request: HttpRequest, name: str) -> HttpResponse:
    """The published schema that files of a format keep; for anybody, as receivers need it."""
    for form in formats.every():
        if form.schema is not None and form.schema.name == name:
            response = HttpResponse(form.schema.read_bytes(), content_type="application/xml")
            response["Content-Disposition"] = f'inline; filename="{name}"'
            return response
    raise Http404(f"There is no schema {name}.")


def schema_address(code: str) -> str:
    """Where the schema of a format is had; empty when it has none."""
    schema = formats.get(code).schema if code in formats.codes() else None
    return reverse("api:schema_file", args=[schema.name]) if schema else ""


def file_response(file: RunFile) -> HttpResponse | FileResponse:
    """A file as a download, with its hash beside it; 410 when it is no longer kept."""
    try:
        stream = services.file_open(file)
    except services.NotKept as gone:
        return HttpResponse(f'{{"detail": "{gone}"}}', status=410, content_type="application/json")
    response = FileResponse(
        stream, as_attachment=True, filename=file.name, content_type="application/octet-stream"
    )
    response["Content-Length"] = str(file.bytes)
    response["X-Content-SHA256"] = file.sha256
    return response


def _definition(request: HttpRequest, name: str) -> ExportDefinition:
    """The definition of that name, if the key may see all that it selects."""
    found = None if "\0" in name else ExportDefinition.objects.filter(name=name).first()
    if found is None or not _visible(request, found):
        raise Http404(f"There is no export {name}.")
    return found


def _run(request: HttpRequest, run_id: int) -> ExportRun:
    run = None
    if 0 < run_id < 1 << 62:
        run = ExportRun.objects.prefetch_related("files").filter(pk=run_id).first()
    if run is None or run.definition is None or not _visible(request, run.definition):
        raise Http404(f"There is no run {run_id}.")
    return run


def _visible(request: HttpRequest, definition: ExportDefinition) -> bool:
    """A key limited to groups sees the definitions that select nothing else."""
    allowed = set(request.auth.groups.values_list("pk", flat=True))
    if not allowed:
        return True
    chosen = set(definition.groups.values_list("pk", flat=True))
    return bool(chosen) and chosen <= allowed
