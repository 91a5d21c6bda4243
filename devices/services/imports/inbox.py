"""The inbox folders: files that have stopped growing are taken, imported, and put aside.

`inbox/devices` and `inbox/groups` in the data directory. A file that has been as it is for some
seconds, and that nobody has open for writing (devices.folders), is taken: moved out of the folder
first, so that no two workers take it, then imported (its good rows), then moved to `inbox/done` or
`inbox/failed` with its result beside it.
"""

import logging
import os
import time
from pathlib import Path

from devices.folders import files_in, free_path, inbox_folder, is_whole
from devices.imports.options import Options
from devices.models import ImportJob
from devices.services.imports.answer import result_name
from devices.services.imports.apply import Stale
from devices.services.imports.jobs import ImportFault, State
from devices.services.imports.marked import result_write
from devices.services.imports.work import file_import

logger = logging.getLogger(__name__)
KINDS = ("devices", "groups")
LEFT = 3600.0  # seconds after which a file that a dead worker had taken is taken up again


def inbox_sweep() -> bool:
    """Import one file of the inbox; True when there was one."""
    for kind in KINDS:
        _take_up(kind)
        for path in files_in(inbox_folder(kind)):
            if is_whole(path) and (taken := _taken(path)):
                _import(kind, path.name, taken)
                return True
    return False


def _taken(path: Path) -> Path | None:
    """The file, moved out of reach of others; None when another was quicker."""
    target = inbox_folder(path.parent.name, ".taken") / path.name
    try:
        os.link(path, target)
        path.unlink()
    except (FileExistsError, FileNotFoundError):
        return None
    os.utime(target)
    return target


def _take_up(kind: str) -> None:
    """Give back what a worker that died had taken."""
    for path in files_in(inbox_folder(kind, ".taken")):
        if time.time() - path.stat().st_mtime > LEFT:
            path.replace(free_path(inbox_folder(kind) / path.name))


def _import(kind: str, name: str, path: Path) -> None:
    job, why = None, ""
    try:
        with path.open("rb") as stream:
            job = file_import(
                kind=kind,
                filename=name,
                stream=stream,
                options=Options(),
                origin=ImportJob.Origin.INBOX,
                apply=True,
            )
    except (Stale, ImportFault) as fault:
        why = str(fault)
    done = job is not None and job.state == State.APPLIED
    if not done:
        logger.error(
            "inbox %s/%s was not applied: %s", kind, name, why or (job.message if job else "")
        )
    folder = inbox_folder("done" if done else "failed")
    if job is not None:
        result_write(job, free_path(folder / result_name(job)))
    path.replace(free_path(folder / name))
