"""Quarantine: what unknown meters sent, released into the store or given up by an operator.

A row is claimed before anything is done with it, so that two operators cannot decide on it twice.
The batch that a release makes is named after the row: releasing again makes no second one.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import QuerySet
from django.utils import timezone

from devices import batchform
from devices.models import Batch, Quarantined
from devices.services.ingest import batch_accept
from devices.services.ingest.quarantine import payload_open

HELD, RELEASED, DISCARDED = Quarantined.State
CLAIM_TERM = timedelta(minutes=10)  # after it a release that did not end is taken to have died


@dataclass
class Outcome:
    """What became of rows. Those that were decided on before are in neither list."""

    released: list[Quarantined] = field(default_factory=list)
    held: list[Quarantined] = field(default_factory=list)  # refused again, with the new reason


def quarantine_release(ids: Sequence[int], user: AbstractBaseUser) -> Outcome:
    """Post what is held again, each row as a batch of the original's source."""
    outcome = Outcome()
    for row in _claim(ids, RELEASED, user):
        try:
            row.released_as = _post(row)
        except batchform.BatchRefused as refused:
            _put_back(row, refused.problems[0])
            outcome.held.append(row)
        except BaseException:
            _put_back(row)
            raise
        else:
            row.save(update_fields=["released_as"])
            outcome.released.append(row)
    return outcome


def quarantine_discard(ids: Sequence[int], user: AbstractBaseUser) -> list[Quarantined]:
    """Give up what is held; the rows stay, so decided, until their term."""
    return list(_claim(ids, DISCARDED, user))


def quarantine_recover() -> int:
    """End the releases over which a process died; how many there were."""
    died = Quarantined.objects.filter(
        state=RELEASED, released_as=None, decided__lt=timezone.now() - CLAIM_TERM
    )
    rows = list(died)
    for row in rows:
        row.released_as = _made_from(row).first()
        if row.released_as is None:
            _put_back(row)
        else:
            row.save(update_fields=["released_as"])
    return len(rows)


def _claim(
    ids: Sequence[int], state: Quarantined.State, user: AbstractBaseUser
) -> Iterable[Quarantined]:
    """Rows that were held and are now so decided by the user, in the order of their arrival."""
    for pk in sorted(ids):
        claimed = Quarantined.objects.filter(pk=pk, state=HELD).update(
            state=state, decided=timezone.now(), decided_by=user.get_username()
        )
        if claimed:
            yield Quarantined.objects.get(pk=pk)


def _post(row: Quarantined) -> Batch:
    """The batch that a row's meter becomes, or became when this was tried before."""
    body = payload_open(bytes(row.payload))
    form = batchform.decode(body)
    digest = hashlib.sha256(body).digest()
    batch_accept(form, body_hash=digest, key=_key(row), api_key=None)
    return _made_from(row).get()


def _key(row: Quarantined) -> str:
    return f"release-{row.pk}"


def _made_from(row: Quarantined) -> QuerySet[Batch]:
    return Batch.objects.filter(api_key=None, key=_key(row))


def _put_back(row: Quarantined, problem: batchform.Problem | None = None) -> None:
    row.state, row.decided, row.decided_by = HELD, None, ""
    if problem is not None:
        row.code, row.message = problem.code[:30], problem.message[:255]
    row.save(update_fields=["state", "decided", "decided_by", "code", "message"])
