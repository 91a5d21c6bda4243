"""The inbox of readings: `inbox/reads/<format>`, a folder for each format that can be read.

A file that is whole gets a row, is moved out of the folder, read by the service that takes batches
(under a key of the row's, so that a worker that dies and another that goes on store it once), and
put aside in `inbox/done` or `inbox/failed` with a result file: what `ingest --json` says of it.
"""

import hashlib
import json
import logging
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import OperationalError, transaction
from django.urls import reverse
from django.utils import timezone

from devices import leases
from devices.folders import (
    files_in,
    free_path,
    inbox_folder,
    is_being_written,
    is_whole,
    write_whole,
)
from devices.models import Batch
from devices.services.ingest import KeyConflict, Provision
from exports import formats
from exports.formats.base import OptionError
from exports.hooks import INBOX, alarm
from exports.ingest import FileRefused, FileRequest, file_ingest
from exports.models import InboxFile, ReaderSetting
from exports.models.inbox import JSON

logger = logging.getLogger(__name__)
TRIES = 5  # workers that may die over a file
LISTED = 20  # refusals that the page lists
State = InboxFile.State


def folders() -> list[str]:
    """The formats that have a folder: those that can be read."""
    return [JSON, *(form.code for form in formats.every() if form.readable)]


def inbox_step() -> bool:
    """Go on with a file that was taken, or take the next one; False when there is none."""
    for row in InboxFile.objects.filter(put_aside=False).order_by("id"):
        if leases.claim(row, tries=row.tries + 1):
            _go_on(row)
            return True
    resting = set(ReaderSetting.objects.filter(active=False).values_list("format", flat=True))
    for code in folders():
        folder = inbox_folder("reads", code)
        for path in files_in(folder) if code not in resting else ():
            if is_whole(path) and (row := _take(code, path)):
                _go_on(row)
                return True
    return False


def _take(code: str, path: Path) -> InboxFile | None:
    """A file out of the folder, with a row; None when another was quicker."""
    row = InboxFile.objects.create(
        format=code,
        name=path.name[:255],
        bytes=path.stat().st_size,
        taken=timezone.now(),
        worker=leases.me(),
        lease_until=timezone.now() + leases.seconds(),
        tries=1,
    )
    try:
        path.rename(_taken_path(row))
    except OSError as error:
        row.delete()
        if not isinstance(error, FileNotFoundError):
            logger.error("inbox/reads/%s/%s cannot be taken: %s", code, path.name, error)
        return None
    if is_being_written(_taken_path(row)):  # opened again between the look and the move
        _taken_path(row).rename(free_path(path))
        row.delete()
        return None
    return row


def _taken_path(row: InboxFile) -> Path:
    """Where a file lies while it is read: under the number of its row."""
    return inbox_folder("reads", ".taken") / str(row.pk)


def _go_on(row: InboxFile) -> None:
    """Read a taken file where that was not done, and put it aside."""
    try:
        with leases.held(row):
            if row.state == State.TAKEN and not _read(row):
                return
            _put_aside(row)
        leases.release(row, put_aside=True)
    except leases.LeaseLost as lost:
        logger.warning("%s", lost)


def _read(row: InboxFile) -> bool:
    """Read a file into the store and note what came of it; False when there is no such file."""
    path = _taken_path(row)
    if not path.exists():  # its worker died between the row and the move
        row.delete()
        return False
    changes: dict[str, Any] = {}
    try:
        with path.open("rb") as raw:
            changes["sha256"] = hashlib.file_digest(raw, "sha256").hexdigest()
        if row.tries > TRIES:
            raise ValueError(f"{TRIES} workers have died over it")
        report, warnings = file_ingest(_request(row, path))
        changes |= _taken_in(report, warnings)
    except FileRefused as error:
        problems = [_plain(problem) for problem in error.problems]
        changes |= _refused(f"nothing was stored: {error}", problems)
    except (OptionError, ValueError, KeyConflict, OSError, formats.UnknownFormat) as error:
        changes |= _refused(str(error), [])
    except OperationalError:
        raise  # the database is busy or away: the lease runs out, and it is read then
    except Exception as error:
        logger.exception("inbox/reads/%s/%s", row.format, row.name)
        changes |= _refused(f"{type(error).__name__}: {error}", [])
    changes["message"] = changes.get("message", "")[:500]
    folder = "failed" if changes["state"] == State.FAILED else "done"
    with transaction.atomic():
        kept = free_path(inbox_folder(folder) / row.name).relative_to(settings.DATA_DIR)
        changes |= {"kept": str(kept), "finished": timezone.now()}
        rows = InboxFile.objects.filter(pk=row.pk, worker=row.worker)
        if not rows.update(**changes):
            raise leases.LeaseLost(f"{row} is worked on by another")
    for name, value in changes.items():
        setattr(row, name, value)
    return True


def _request(row: InboxFile, path: Path) -> FileRequest:
    """How the file is read: by the settings of its folder."""
    setting = ReaderSetting.objects.filter(format=row.format).select_related("provision").first()
    if setting is None:
        return FileRequest(path=path, format=row.format, key=f"inbox-{row.pk}")
    provision = None
    if setting.provision is not None:
        resolution = setting.resolution
        provision = Provision(
            setting.provision.code,
            None if resolution is None else Decimal(resolution).normalize(),
            setting.zone,
        )
    return FileRequest(
        path=path,
        format=row.format,
        source=setting.source,
        provision=provision,
        zone=setting.zone,
        on_error=setting.on_error,
        options=setting.options,
        key=f"inbox-{row.pk}",
    )


def _taken_in(report: dict[str, Any], warnings: list[str]) -> dict[str, Any]:
    refused = report["refused"]
    batch = Batch.objects.filter(api_key=None, key=report["batch"]).first()
    return {
        "state": State.PARTIAL if refused else State.DONE,
        "batch": batch and batch.pk,
        "refused": len(refused),
        "message": f"{len(refused)} refused, the first: {_line(refused[0])}" if refused else "",
        "report": {**report, "warnings": warnings},
        **{name: report[name] for name in ("devices", "intervals", "registers", "events")},
    }


def _refused(message: str, problems: list[dict[str, str]]) -> dict[str, Any]:
    nothing = {"devices": 0, "intervals": 0, "registers": 0, "events": 0}
    report = {"batch": None, "status": "refused", **nothing}
    report |= {"refused": problems, "message": message, "warnings": []}
    return {
        "state": State.FAILED,
        "refused": len(problems),
        "message": message,
        "report": report,
    }


def _plain(problem: Any) -> dict[str, str]:
    return {"path": problem.path, "code": problem.code, "message": problem.message}


def _line(problem: dict[str, str]) -> str:
    return " ".join(filter(None, (problem["path"], problem["code"], problem["message"])))


def _put_aside(row: InboxFile) -> None:
    """The result file, then the file, under the names that the row has; may be repeated."""
    target = Path(settings.DATA_DIR) / row.kept
    target.parent.mkdir(parents=True, exist_ok=True)
    told = {"file": row.name, "format": row.format, "sha256": row.sha256, **row.report}
    text = json.dumps(told, indent=2, ensure_ascii=False) + "\n"
    write_whole(target.with_name(f"{target.name}.result.json"), text.encode())
    if _taken_path(row).exists():
        _taken_path(row).rename(target)
    if row.state == State.FAILED:
        logger.error("inbox/reads/%s/%s: %s", row.format, row.name, row.message)
        alarm(
            INBOX,
            f"{row.name} of the inbox was not taken",
            key="",
            text=f"inbox/reads/{row.format}: {row.message}",
            link=reverse("admin:exports_inboxfile_change", args=[row.pk]),
        )
