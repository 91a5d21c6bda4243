"""Short ways to post a batch to the service and to see what of it is in the store."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import pytest

from devices import journal
from devices.batchform import BatchRefused, decode
from devices.models import (
    Batch,
    Channel,
    Device,
    Installation,
    JournalEntry,
    Quarantined,
    RegisterEntry,
    Watermark,
)
from devices.services.ingest import Answer, batch_accept
from events.models import Event

START = "2026-03-14T00:00:00Z"
STORED = (
    *(Batch, JournalEntry, RegisterEntry, Quarantined, Event, Watermark),
    *(Device, Channel, Installation),
)


def meter(device: str = "A", *runs: dict[str, Any], **members: Any) -> dict[str, Any]:
    """A meter of a body; its runs are of channel 1 from START on unless they say otherwise."""
    intervals = [{"channel": 1, "start": START, **run} for run in runs]
    return {"device": device, **({"intervals": intervals} if runs else {}), **members}


def post(*meters: dict[str, Any], key: str | None = None, api_key: Any = None,
         provision: Any = None, **members: Any) -> Answer:  # fmt: skip
    """Post meters as one batch."""
    body = json.dumps({"meters": meters, **members}).encode()
    return batch_accept(
        decode(body),
        body_hash=hashlib.sha256(body).digest(),
        key=key,
        api_key=api_key,
        provision=provision,
    )


def answer(*meters: dict[str, Any], **options: Any) -> dict[str, Any]:
    """The JSON that a batch is answered with."""
    return json.loads(post(*meters, **options).text)


def stored() -> list[int]:
    """Rows of every table that a batch can write to."""
    return [model._default_manager.count() for model in STORED]


def refused(*meters: dict[str, Any], **options: Any) -> list[tuple[str, str]]:
    """(path, code) of each problem of a batch; it must leave no trace."""
    before = stored()
    with pytest.raises(BatchRefused) as caught:
        post(*meters, **options)
    assert stored() == before
    assert all(problem.message for problem in caught.value.problems)
    return [(problem.path, problem.code) for problem in caught.value.problems]


def slots(channel: Channel, start: int, end: int) -> list[tuple[int | None, int]]:
    """(count or None, status) of a channel's slots with start < end of slot ≤ end."""
    series = journal.series_read([channel], start, end)[0]
    return [
        (None if s & 1 else c, s)
        for c, s in zip(series.counts.tolist(), series.status.tolist(), strict=True)
    ]


def at_start(channel: Channel, count: int) -> Sequence[tuple[int | None, int]]:
    """The first slots from START on."""
    start = 1773446400
    return slots(channel, start, start + count * channel.seconds)
