"""Which files a device went out in (settings.TMS_STORIES)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.urls import reverse

from devices.models import Device
from devices.story import Entry, Link, Source, Span, Told, told
from exports.selectors import runs_with_device


def files(request: Any, device: Device, span: Span) -> Told:
    """The files of exports that have it, when they were finished, where they went."""
    found, reached = runs_with_device(device, span.last)
    may = request.user.has_perm("exports.download_exportrun")
    entries = []
    for run, made in found:
        links = [Link(reverse("admin:exports_exportrun_change", args=[run.pk]), "the run")]
        for file in made if len(made) == 1 else ():
            if may and file.archive and not file.purged:
                address = reverse("admin:exports_exportrun_file", args=[run.pk, file.position])
                links.append(Link(address, f"download {file.name}"))
        name = made[0].name if len(made) == 1 else f"one of the files of run {run.batch_id}"
        sent = sorted({d.destination.name for file in made for d in file.deliveries.all()})
        why = f"{run.name}, {run.get_trigger_display().lower()}"
        why += f"; to {', '.join(sent)}" if sent else "; no destination"
        entries.append(Entry(run.finished, f"Exported: {name}", why, tuple(links)))
    own = told(entries, span)
    if reached is None:
        return own
    return Told(own.entries, max(reached, own.reached or reached))


def sources() -> Iterator[Source]:
    """The kinds that this app tells."""
    yield Source("file", "Exported", files, "exports.view_exportrun")
