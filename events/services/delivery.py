"""Handing mails to the SMTP server: leased, tried again, the server's words kept (P5).

Mails are leased by a conditional update, a few at once, then each is sent and marked. Who dies
between loses the lease after a while, and what was not marked is sent, perhaps once more, with its
Message-ID.
"""

from __future__ import annotations

import smtplib
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, NamedTuple

from django.core.mail import EmailMessage, get_connection
from django.db.models import Q
from django.utils import timezone

from events.failpoints import passing
from events.mail import message_build
from events.models import Mail

LEASE = timedelta(minutes=5)  # longer than an attempt with its time-outs
BATCH = 50  # mails sent over one connection
CLAIM = 10  # mails leased at once
SECONDS = 10.0
# Minutes to the next attempt; behind the last one a mail has failed. A greylisting server is
# satisfied by the first few; a day covers a server that is down overnight.
BACKOFF = (1, 2, 5, 10, 20, 30, 60, 60, 120, 120, 240, 240, 480)


class Outcome(NamedTuple):
    """What became of an attempt: `sent`, `later` or `failed`, in the server's words."""

    result: str
    words: str


def mails_send(seconds: float = SECONDS) -> bool:
    """Send what is due, for some seconds; True when there may be more."""
    end = time.monotonic() + seconds
    while pks := _due():
        _send_all(pks, end)
        if time.monotonic() > end:
            return True
    return False


def mails_send_now(pks: Sequence[int]) -> list[Mail]:
    """Send these at once, whatever their turn; how they stand then."""
    _send_all(pks, time.monotonic() + SECONDS)
    return list(Mail.objects.filter(pk__in=pks).order_by("pk"))


def mails_resend(mails: Sequence[Mail]) -> int:
    """Queue failed or sent mails once more, with their Message-ID; how many have an address."""
    rows = Mail.objects.filter(pk__in=[mail.pk for mail in mails]).exclude(address="")
    now = timezone.now()
    return rows.update(state=Mail.State.QUEUED, attempts=0, next_try=now, leased_until=None)


def _free() -> Q:
    return Q(leased_until=None) | Q(leased_until__lt=timezone.now())


def _due() -> list[int]:
    rows = Mail.objects.filter(_free(), state=Mail.State.QUEUED, next_try__lte=timezone.now())
    return list(rows.order_by("next_try", "pk").values_list("pk", flat=True)[:BATCH])


def _send_all(pks: Sequence[int], end: float) -> None:
    """Send mails over one connection, opened anew after a failure."""
    post = Post()
    try:
        for first in range(0, len(pks), CLAIM):
            mails = _claimed(pks[first : first + CLAIM])
            for mail in mails:
                outcome = post.send(mail)
                passing("sent")
                _settle(mail, outcome)
                passing("settled")
            if time.monotonic() > end:
                return
    finally:
        post.close()


def _claimed(pks: Sequence[int]) -> list[Mail]:
    """Those of some mails that are ours to send, leased."""
    lease, until = uuid.uuid4(), timezone.now() + LEASE
    passing("claim")
    rows = Mail.objects.filter(_free(), pk__in=pks, state=Mail.State.QUEUED)
    rows.update(leased_by=lease, leased_until=until)
    passing("claimed")
    mine = Mail.objects.filter(pk__in=pks, leased_by=lease).select_related("notification")
    return list(mine.order_by("pk"))


def _settle(mail: Mail, outcome: Outcome) -> None:
    """Store what became of an attempt."""
    now = timezone.now()
    attempts = mail.attempts + 1
    result = outcome.result
    if result == "later" and attempts > len(BACKOFF):
        result = "failed"
    values: dict[str, Any] = {
        "attempts": attempts,
        "leased_by": None,
        "leased_until": None,
        "words": outcome.words[:255],
        "log": [*mail.log, {"at": now.isoformat(), "outcome": result, "words": outcome.words}][
            -50:
        ],
    }
    if result == "later":
        values["next_try"] = now + timedelta(minutes=BACKOFF[attempts - 1])
    else:
        values["state"] = Mail.State.SENT if result == "sent" else Mail.State.FAILED
        values["sent"] = now if result == "sent" else None
    Mail.objects.filter(pk=mail.pk).update(**values)


class Post:
    """A connection to the mail server of TMS_EMAIL_URL, kept while it is good."""

    def __init__(self) -> None:
        self.connection: Any = None

    def send(self, mail: Mail) -> Outcome:
        try:
            self.hand(message_build(mail))
        except Exception as error:
            return outcome_of(error)
        return Outcome("sent", "accepted")

    def hand(self, message: EmailMessage) -> None:
        """Hand a message to the server; what went wrong is raised, and the connection closed."""
        try:
            if self.connection is None:
                self.connection = get_connection(fail_silently=False)
                self.connection.open()
            passing("send")
            self.connection.send_messages([message])
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self.connection is not None:
            with suppress(OSError, smtplib.SMTPException):
                self.connection.close()
            self.connection = None


def outcome_of(error: Exception) -> Outcome:
    """What an error means: refused for good by what the server said of this very mail, else later.

    A server that refuses the log-in or the greeting may be set right; that is no fault of a mail.
    """
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, said = next(iter(error.recipients.values()))
        return Outcome("failed" if code >= 500 else "later", f"{code} {_words(said)}")
    if isinstance(error, smtplib.SMTPSenderRefused | smtplib.SMTPDataError):
        final = error.smtp_code >= 500
        words = f"{error.smtp_code} {_words(error.smtp_error)}"
        return Outcome("failed" if final else "later", words)
    if isinstance(error, smtplib.SMTPResponseException):
        return Outcome("later", f"{error.smtp_code} {_words(error.smtp_error)}")
    if isinstance(error, OSError | smtplib.SMTPException):
        return Outcome("later", f"{type(error).__name__}: {error}")
    return Outcome("failed", f"{type(error).__name__}: {error}")


def _words(said: bytes | str) -> str:
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return " ".join(text.split())
