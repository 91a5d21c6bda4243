"""What strangers sent, kept so that it can be posted again as it is."""

import gzip
from collections.abc import Iterable, Iterator

import msgspec

from devices.batchform import Form
from devices.models import Batch, Quarantined
from devices.services.ingest.problems import Faults
from devices.services.ingest.resolve import identifier

_encode = msgspec.json.Encoder(decimal_format="string").encode


def strangers_keep(batch: Batch, form: Form, places: Iterable[int], faults: Faults) -> None:
    """Quarantine the meters at these places of a batch, each with why it was not taken."""
    Quarantined.objects.bulk_create(_rows(batch, form, places, faults), batch_size=500)


def _rows(batch: Batch, form: Form, places: Iterable[int], faults: Faults) -> Iterator[Quarantined]:
    for place in places:
        meter, problem = form.meters[place], faults.by_meter[place][0]
        body = Form(source=form.source, meters=[meter])
        yield Quarantined(
            batch=batch,
            device=identifier(meter)[1],
            code=problem.code,
            message=problem.message[:255],
            payload=gzip.compress(_encode(body), 6, mtime=0),
            received=batch.received,
        )


def payload_open(payload: bytes) -> bytes:
    """The body of a batch with nothing but the meter that was kept."""
    return gzip.decompress(payload)
