"""Every write of this app that touches more than a row: runs, their work, deliveries, schedules."""

from exports.services.archive import NotKept, file_open, run_rebuild
from exports.services.definitions import (
    NotNow,
    definition_run,
    definition_save,
    released_send,
    run_again,
    schedules_tick,
)
from exports.services.destinations import destination_resume, destination_test, host_key_accept
from exports.services.here import STDOUT, RunFailed, run_execute
from exports.services.holds import hold_release
from exports.services.requests import RunRequest, run_create, run_report
from exports.services.worker import run_cancel, run_finish, work

__all__ = [
    "STDOUT",
    "NotKept",
    "NotNow",
    "RunFailed",
    "RunRequest",
    "definition_run",
    "definition_save",
    "destination_resume",
    "destination_test",
    "file_open",
    "hold_release",
    "host_key_accept",
    "released_send",
    "run_again",
    "run_cancel",
    "run_create",
    "run_execute",
    "run_finish",
    "run_rebuild",
    "run_report",
    "schedules_tick",
    "work",
]
