"""How a destination is reached, tried out, and what becomes of it when it takes nothing.

A failure makes the whole destination wait, not one file: after a pause one file is tried, and what
else waits goes out as soon as that one has. After FAILURES failures in a row the destination is
paused, an alarm is raised, and it is tried once an hour only; a host key that is not the accepted
one pauses it at once, until somebody decides (docs/decisions/0091-paused-destinations.md).
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone

from devices.services.secrets import SecretLost, secret_open, secret_seal
from exports.delivery import (
    DestinationFault,
    HostKeyFault,
    Server,
    directory_try,
    fingerprint,
    sftp_try,
)
from exports.hooks import DESTINATION, alarm, alarm_clear
from exports.models import Delivery, Destination
from exports.models.destinations import directory_fault
from exports.services import filemails
from exports.services.wake import wake_deliver

PAUSES = [timedelta(minutes=minutes) for minutes in (1, 2, 5, 10)]
FAILURES = len(PAUSES) + 1  # in a row; with the last one the destination is paused
LOOK = timedelta(hours=1)  # between two tries of a paused one
Kind = Destination.Kind


def folder_of(destination: Destination) -> Path:
    """The directory of a destination. DestinationFault when it is not a permitted one."""
    if fault := directory_fault(destination.path):
        raise DestinationFault(fault)
    return Path(destination.path)


def server_of(destination: Destination) -> Server:
    """The account of a destination, its secrets opened. DestinationFault."""
    try:
        password, key, passphrase = (
            secret_open(sealed) if sealed else ""
            for sealed in (destination.password, destination.private_key, destination.passphrase)
        )
    except SecretLost as error:
        raise DestinationFault(
            "its password or key was stored under another TMS_SECRET_KEY: enter it once more"
        ) from error
    by_key = destination.auth == Destination.Auth.KEY
    return Server(
        host=destination.host,
        port=destination.port,
        username=destination.username,
        host_key=destination.host_key,
        password="" if by_key else password,
        private_key=key if by_key else "",
        passphrase=passphrase,
        folder=destination.folder,
        timeout=destination.timeout,
    )


def secrets_set(
    destination: Destination, *, password: str = "", private_key: str = "", passphrase: str = ""
) -> None:
    """Seal what was given, and forget what the chosen way to log in does not need; not saved."""
    if destination.auth == Destination.Auth.KEY:
        destination.password = ""
        if private_key:
            destination.private_key = secret_seal(private_key)
            destination.passphrase = secret_seal(passphrase) if passphrase else ""
    else:
        destination.private_key = destination.passphrase = ""
        if password:
            destination.password = secret_seal(password)


# --- tried out by somebody -----------------------------------------------------------------------


def destination_test(destination: Destination, *, by: str) -> str:
    """Try a destination out now; what was found, as a sentence. DestinationFault says why not.

    A small file is written, renamed and removed, or a mail sent. A success resumes it.
    """
    try:
        found = _try(destination, by)
    except (DestinationFault, OSError) as error:
        fault = error if isinstance(error, DestinationFault) else DestinationFault(str(error))
        changes: dict[str, object] = {"tested": timezone.now(), "test_error": str(fault)[:500]}
        if isinstance(fault, HostKeyFault):
            changes["host_key_offered"] = fault.offered
        Destination.objects.filter(pk=destination.pk).update(**changes)
        destination.refresh_from_db()
        if fault is error:
            raise
        raise fault from error
    Destination.objects.filter(pk=destination.pk).update(tested=timezone.now(), test_error="")
    destination_resume(destination)
    return found


def _try(destination: Destination, by: str) -> str:
    if destination.kind == Kind.SFTP:
        sftp_try(server_of(destination))
        return "A small file was written, renamed and removed."
    if destination.kind == Kind.EMAIL:
        return filemails.trial_send(destination, by)
    directory_try(folder_of(destination))
    return "A small file was written, renamed and removed."


def host_key_accept(destination: Destination, shown: str) -> bool:
    """Accept the host key that was shown with this fingerprint; False when it is another by now."""
    offered = destination.host_key_offered
    if not offered or fingerprint(offered) != shown:
        return False
    rows = Destination.objects.filter(pk=destination.pk, host_key_offered=offered)
    if not rows.update(host_key=offered, host_key_offered="", test_error=""):
        return False
    destination.refresh_from_db()
    return True


def destination_resume(destination: Destination) -> bool:
    """Let what waits go out now; False when nothing held it up."""
    resumed = _settled(destination.pk)
    destination.refresh_from_db()
    waiting = Delivery.objects.filter(destination=destination, state=Delivery.State.WAITING)
    waiting.filter(due__gt=timezone.now()).update(due=timezone.now())
    wake_deliver()
    return resumed


# --- noted by deliveries -------------------------------------------------------------------------


def success_note(destination: Destination) -> None:
    """It takes files."""
    _settled(destination.pk)


def _settled(pk: int) -> bool:
    """No failure stands any more; whether one did."""
    rows = Destination.objects.filter(Q(failures__gt=0) | Q(paused__isnull=False), pk=pk)
    changed = rows.update(failures=0, next_try=None, paused=None, error="")
    if changed:
        alarm_clear(DESTINATION, f"destination {pk}")
    return bool(changed)


def try_claim(destination: Destination) -> bool:
    """Whether this worker may try it: one that has failed is tried by one worker at a time."""
    if destination.next_try is None:
        return True
    rows = Destination.objects.filter(pk=destination.pk, next_try=destination.next_try)
    return bool(rows.update(next_try=timezone.now() + _pause(destination)))


def _pause(destination: Destination) -> timedelta:
    """How long to wait after another failure."""
    return LOOK if destination.paused else PAUSES[min(destination.failures, len(PAUSES) - 1)]


def failure_note(destination: Destination, error: Exception, what: str) -> None:
    """Count a failure; pause what fails again and again.

    `destination` as it was before the try: of several workers that failed at once one counts.
    """
    text = str(error)[:500] or type(error).__name__
    held = isinstance(error, HostKeyFault)
    now = timezone.now()
    seen = Destination.objects.filter(pk=destination.pk, failures=destination.failures)
    changes: dict[str, object] = {"failures": F("failures") + 1, "error": text}
    changes["next_try"] = None if held else now + _pause(destination)
    if isinstance(error, HostKeyFault):
        changes["host_key_offered"] = error.offered
    pauses = held or destination.failures + 1 >= FAILURES
    if pauses and destination.paused is None:
        changes["paused"] = now
        if not held:
            changes["next_try"] = now + LOOK
    if seen.update(**changes) and pauses:
        _tell(destination, text, what)


def _tell(destination: Destination, text: str, what: str) -> None:
    again = (
        "It is tried once an hour; what waits goes out when it takes files again. “Test this "
        "destination” or “Resume” on its page tries at once."
    )
    with suppress(Destination.DoesNotExist):
        destination.refresh_from_db()
    if destination.next_try is None:
        again = "Nothing is sent to it until somebody has looked at its page."
    alarm(
        DESTINATION,
        f"Destination {destination} is paused: it takes no files",
        key=f"destination {destination.pk}",
        text=f"{what}: {text}. {again}",
        link=reverse("admin:exports_destination_change", args=[destination.pk]),
    )
