"""The gate at work: meters of a part that fall short are noted, and held out if that is chosen."""

from collections.abc import Iterable, Iterator
from typing import Any

from devices.readings import Frame
from exports.assemble import frame_split
from exports.gate import HOLD_METER, Limits, devices_with, figures_of
from exports.models import ExportDefinition, ExportRun, RunPart
from exports.scope import Findings, devices_of


def gate_of(definition: ExportDefinition) -> dict[str, Any] | None:
    """What a run freezes of its definition's gate; None where everything passes."""
    if definition.gate == "off" or definition.is_flow:
        return None
    return {
        "action": definition.gate,
        "unit": definition.gate_unit,
        "missing": definition.gate_missing,
        "estimated": definition.gate_estimated,
        "questionable": definition.gate_questionable,
        "released": [],
    }


def gated(
    run: ExportRun, part: RunPart, frames: Iterable[Frame], findings: Findings
) -> Iterator[Frame]:
    """The frames without the meters that are held out; what is noticed goes to the findings: who
    falls short and why, and who has nothing."""
    seen: set[str] = set()
    for frame in frames:
        seen |= devices_with(frame)
        short = short_of(run, frame)
        findings.short += short
        if short and run.selection["gate"]["action"] == HOLD_METER:
            out = {row[0] for row in short}
            keys = ["out" if info.device_id in out else "" for info in frame.devices]
            yield from (kept for key, kept in frame_split(frame, keys) if not key)
        else:
            yield frame
    seen.update(row[0] for row in findings.short)
    names = dict.fromkeys(info.device_id for info in devices_of(bytes(part.data)))
    findings.nothing = [name for name in names if name not in seen]


def short_of(run: ExportRun, frame: Frame) -> list[list[Any]]:
    """Device id, figures and reasons of the meters of a frame that fall short of the run's gate."""
    gate = run.selection.get("gate")
    if gate is None:
        return []
    limits, released = Limits.of(gate), set(gate["released"])
    whole = run.since is None
    found: list[list[Any]] = []
    for name, figures in figures_of(frame, whole=whole).items():
        if name in released or not (whole or figures.readings):
            continue
        if reasons := limits.reasons(figures):
            found.append([name, *figures, "; ".join(reasons)])
    return found
