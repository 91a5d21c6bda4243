"""Writing a part: its readings as of the run's horizon, as bytes in a file of the part's own."""

import os
from pathlib import Path
from typing import BinaryIO

from django.db.models import F

from devices import leases
from devices.longwork import collector_resting
from exports import formats, places
from exports.assemble import Segment, segments_write
from exports.failpoints import point
from exports.models import ExportRun, RunPart
from exports.replica import replica_or_primary
from exports.scope import Findings, frames_read
from exports.services import flows
from exports.services.gating import gated
from exports.services.holds import run_hold
from exports.services.requests import context_of, scope_of


def part_write(run: ExportRun, part: RunPart) -> None:
    """Write a claimed part and store what it has for which file. LeaseLost, FormatError, OSError.

    The part's file has a name of this worker's own: two that both believe the part to be theirs
    do not write to one file, and only the one that still has the lease stores its path.
    """
    path = places.work(run.pk) / f"{part.position:06}-{part.attempts}-{os.getpid()}.part"
    with leases.held(part) as lost, path.open("wb") as out:
        (segments, findings), by_replica = replica_or_primary(
            None if run.is_flow else run.horizon,  # a flow's rows are kept with its part
            lambda: _segments_and_findings(run, part, out, path),
            out,
        )
        if lost.is_set():
            path.unlink(missing_ok=True)  # with its run, which others have ended
            raise leases.LeaseLost(f"{part} is worked on by another")
    point("part written, not stored")
    leases.release(
        part,
        done=True,
        path=path.name,
        segments=[segment.stored() for segment in segments],
        findings=findings.as_dict(),
        replica=by_replica,
    )
    ExportRun.objects.filter(pk=run.pk).update(parts_done=F("parts_done") + 1)
    point("part stored")


def _segments_and_findings(
    run: ExportRun, part: RunPart, out: BinaryIO, path: Path
) -> tuple[list[Segment], Findings]:
    findings = Findings()
    return part_segments(run, part, out, path, findings), findings


def part_segments(
    run: ExportRun, part: RunPart, out: BinaryIO, path: Path, findings: Findings | None = None
) -> list[Segment]:
    """The bytes of a part, from what its run froze. FormatError, OSError."""
    if run.is_flow:
        return flows.rows_write(part, out, path)
    form = formats.get(run.format)
    ctx = context_of(run, form)
    findings = Findings() if findings is None else findings
    frames = frames_read(bytes(part.data), scope_of(run, form, ctx.options), findings)
    with collector_resting():
        return segments_write(
            form,
            ctx,
            gated(run, part, frames, findings),
            out,
            path=path,
            part=part.position,
            first_device=part.first_device,
        )


def run_written(run: ExportRun) -> bool:
    """Let a run go on to its last phase once all parts are written, or hold it; whether it did.
    Not while its file is being put together already."""
    if run.parts.filter(done=False).exists():
        return False
    if run_hold(run):
        point("run held")
        return True
    return bool(
        ExportRun.objects.filter(leases.free(run), pk=run.pk, phase=ExportRun.Phase.WRITE).update(
            phase=ExportRun.Phase.JOIN, worker="", lease_until=None
        )
    )


def segments_of(run: ExportRun, position: int | None = None) -> list[Segment]:
    """The segments of a run's parts that are done, or of one of them."""
    folder: Path = places.work(run.pk)
    rows = run.parts.filter(done=True).order_by("position")
    if position is not None:
        rows = rows.filter(position=position)
    return [
        Segment(part=position, path=folder / path, **stored)
        for position, path, segments in rows.values_list("position", "path", "segments")
        for stored in segments
    ]
