"""Leases: who works on a row, and until when nobody else may.

A row that is worked on has the columns of `Leased`. It is claimed by one conditional update, so two
workers never have it together; the one that loses its lease (it was stopped for too long) finds
out at its next renewal and leaves its work to the other. A worker of this machine that is gone is
known at once, one of another machine when its lease has run out.
"""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.db import connections, models
from django.db.models import Q
from django.utils import timezone


class LeaseLost(Exception):
    """Another worker has taken the row over; what this one was about to store is void."""


class Leased(models.Model):
    """Columns of a row that one worker at a time works on."""

    worker = models.CharField(max_length=120, blank=True, editable=False)
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        abstract = True


@lru_cache(maxsize=1)
def machine() -> str:
    """This machine, or container, as it runs since its last start: where process numbers hold."""
    try:
        started = Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
        started += os.readlink("/proc/self/ns/pid").removeprefix("pid:")
    except OSError:
        started = ""
    return f"{socket.gethostname()[:60]}/{started}"


def _born(pid: int) -> str:
    """When a process was started, in ticks; empty when there is none of this number."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def me() -> str:
    """This thread as a worker: machine, process, its start, thread."""
    pid = os.getpid()
    return f"{machine()}/{pid}/{_born(pid)}/{threading.get_ident()}"


def is_gone(worker: str) -> bool:
    """Whether a worker is known to have ended: its process was on this machine and is no more."""
    place, _, rest = worker.rpartition("/")[0].rpartition("/")[0].rpartition("/")
    if place != machine() or not rest.isdigit():
        return False
    return _born(int(rest)) != worker.split("/")[-2]


def seconds() -> timedelta:
    """How long a lease holds."""
    return timedelta(seconds=settings.TMS_LEASE_SECONDS)


def free(row: Leased) -> Q:
    """The condition that nobody works on a row: it is unheld, or its worker stalls or is gone."""
    unheld = Q(lease_until=None) | Q(lease_until__lt=timezone.now())
    if row.lease_until is not None and is_gone(row.worker):
        unheld |= Q(worker=row.worker)
    return unheld


def claim(row: Leased, condition: Q | None = None, **changes: object) -> bool:
    """Take a row, if it is free and still as `condition` says; `changes` are made with it."""
    values = {"worker": me(), "lease_until": timezone.now() + seconds(), **changes}
    rows = type(row)._default_manager.filter(free(row) & (condition or Q()), pk=row.pk)
    if not rows.update(**values):
        return False
    for name, value in values.items():
        setattr(row, name, value)
    return True


def renew(row: Leased) -> None:
    """Hold on to a row. LeaseLost when it is another's by now."""
    until = timezone.now() + seconds()
    if not _mine(row).update(lease_until=until):
        raise LeaseLost(f"{row} is worked on by another")
    row.lease_until = until


def release(row: Leased, **changes: object) -> None:
    """Give a row back, with what was done. LeaseLost when it is another's by now."""
    if not _mine(row).update(worker="", lease_until=None, **changes):
        raise LeaseLost(f"{row} is worked on by another")
    for name, value in {"worker": "", "lease_until": None, **changes}.items():
        setattr(row, name, value)


def _mine(row: Leased) -> "models.QuerySet[Leased]":
    return type(row)._default_manager.filter(pk=row.pk, worker=row.worker)


@contextmanager
def held(row: Leased) -> Iterator[threading.Event]:
    """Keep a claimed row's lease alive from another thread while the block works.

    The event is set when the lease was lost. Inside a transaction (tests) nothing is renewed.
    """
    lost, ended = threading.Event(), threading.Event()
    if connections["default"].in_atomic_block:
        yield lost
        return

    def keep() -> None:
        try:
            while not ended.wait(seconds().total_seconds() / 3):
                renew(row)
        except Exception:  # lost, or the database is away: the lease then runs out by itself
            lost.set()
        finally:
            connections.close_all()

    thread = threading.Thread(target=keep, name="lease", daemon=True)
    thread.start()
    try:
        yield lost
    finally:
        ended.set()
        thread.join()
