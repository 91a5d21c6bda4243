"""A real SMTP server for the tests, which can refuse, stall, drop the line and greylist."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.servers import HOST, free_port


class Postbox:
    """What the server has taken, and how it behaves. All texts are whole SMTP answers."""

    def __init__(self) -> None:
        self.taken: list[EmailMessage] = []
        self.refuse_recipient = ""
        self.refuse_sender = ""
        self.refuse_data = ""
        self.greylist = False
        self.stall = False
        self.drop_after_data = 0  # so many times
        self._seen: set[str] = set()
        self._stalled: list[asyncio.Event] = []

    def ids(self) -> list[str]:
        """Message-IDs in the order in which they were taken."""
        return [str(message["Message-ID"]) for message in self.taken]

    def subjects(self) -> list[str]:
        return [str(message["Subject"]) for message in self.taken]

    # --- aiosmtpd's hooks -------------------------------------------------------------------------

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.refuse_sender:
            return self.refuse_sender
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.refuse_recipient:
            return self.refuse_recipient
        if self.greylist and address not in self._seen:
            self._seen.add(address)
            return "451 4.7.1 Greylisted, come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.refuse_data:
            return self.refuse_data
        if self.stall:
            until = asyncio.Event()
            self._stalled.append(until)
            await until.wait()
            return "421 at last"
        message: Any = message_from_bytes(envelope.content, policy=policy.default)
        self.taken.append(message)
        if self.drop_after_data:
            self.drop_after_data -= 1
            server.transport.abort()
        return "250 OK: queued"

    def wake(self) -> None:
        for until in self._stalled:
            until.set()


@contextmanager
def smtp_server() -> Iterator[tuple[Postbox, int]]:
    """A server on a port of its own, and what it takes."""
    box = Postbox()
    controller = Controller(box, hostname=HOST, port=free_port(), ready_timeout=20)
    controller.start()
    try:
        yield box, controller.port
    finally:
        controller.loop.call_soon_threadsafe(box.wake)
        controller.stop()
