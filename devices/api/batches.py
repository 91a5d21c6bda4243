"""Posting batches: `POST /batches`, the hot call.

The body is read, unpacked and decoded here, without the framework's parsing; what it means and
whether it is stored is the ingest service's affair.
"""

from typing import Any

import msgspec
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from ninja import Router

from devices import batchform
from devices.api.auth import KeyAuth
from devices.api.bodies import BadGzip, BodyFault, body_read
from devices.api.openapi import answers, schema_of
from devices.api.schemas import refusals
from devices.limits import rate_wait
from devices.services.ingest import Answer, KeyConflict, batch_accept

router = Router(tags=["Batches"])

EXAMPLE = {
    "batch": "gw7-000123",
    "source": "near-term",
    "meters": [
        {
            "device": "SSI0004711",
            "intervals": [
                {
                    "channel": 1,
                    "start": "2026-03-14T00:00:00Z",
                    "seconds": 900,
                    "values": ["0.312", "0.305", None],
                    "status": ["", "estimated", "missing"],
                }
            ],
        }
    ],
}


class Refused(Exception):
    """A refusal on the way in, with its answer."""

    def __init__(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        super().__init__(status)
        self.answer = _response(status, msgspec.json.encode(body), headers)


@router.post(
    "/batches",
    auth=KeyAuth("ingest"),
    summary="Post a batch",
    response=refusals(400, 409, 413, 415, 422, 429),
    openapi_extra={
        **answers(CREATED=batchform.Answer, OK=batchform.Answer),
        "parameters": [
            {
                "in": "header",
                "name": "Idempotency-Key",
                "description": "Names the batch, as the member `batch` does; kept 35 days.",
                "schema": {"type": "string", "maxLength": 200},
            }
        ],
        "requestBody": {
            "required": True,
            "description": "Plain, or with Content-Encoding: gzip.",
            "content": {
                "application/json": {"schema": schema_of(batchform.Form), "example": EXAMPLE}
            },
        },
    },
)
def batch_post(request: HttpRequest) -> HttpResponse:
    """Reads and events of meters. 201: stored. 200: was stored before, with the same answer."""
    try:
        stored = _accept(request)
    except Refused as refused:
        return refused.answer
    return _response(201 if stored.created else 200, stored.text)


def _accept(request: HttpRequest) -> Answer:
    wait = rate_wait(f"batches:{request.auth.pk}", settings.TMS_BATCH_RATE)
    if wait:
        detail = f"More than {settings.TMS_BATCH_RATE} batches a minute with this key."
        raise Refused(429, {"detail": detail}, {"Retry-After": str(wait)})
    key = _header_key(request)
    body, digest = _body(request)
    try:
        form = batchform.decode(body)
        return batch_accept(
            form,
            body_hash=digest,
            key=_key(key, form.batch),
            api_key=request.auth,
            body=body if settings.TMS_BODY_DAYS > 0 else None,
        )
    except batchform.BatchRefused as refused:
        raise Refused(422, refused.problems) from refused
    except KeyConflict as conflict:
        raise Refused(409, {"detail": str(conflict)}) from conflict


def _body(request: HttpRequest) -> tuple[bytes, bytes]:
    """The unpacked body and its hash."""
    try:
        return body_read(request, settings.TMS_BATCH_MAX_BYTES)
    except BodyFault as fault:
        headers = {"Accept-Encoding": "gzip, identity"} if fault.status == 415 else {}
        raise Refused(fault.status, {"detail": str(fault)}, headers) from fault
    except BadGzip as fault:
        raise Refused(422, [_problem("", "BAD_GZIP", str(fault))]) from fault


def _header_key(request: HttpRequest) -> str | None:
    """The key in the header, None when there is none."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not batchform.KEY.fullmatch(key):
        raise _bad_key("It must be 1 to 200 printable ASCII characters.")
    return key


def _key(header: str | None, member: str | None) -> str | None:
    """The batch's key: that of the header, of the body, or of both when they agree."""
    if header and member and header != member:
        raise _bad_key(f"The body names another batch: {member}.")
    return header or member or None


def _problem(path: str, code: str, message: str) -> dict[str, str]:
    return {"path": path, "code": code, "message": message}


def _bad_key(message: str) -> Refused:
    return Refused(422, [_problem("Idempotency-Key", "BAD_KEY", message)])


def _response(
    status: int, body: bytes | str, headers: dict[str, str] | None = None
) -> HttpResponse:
    return HttpResponse(body, status=status, content_type="application/json", headers=headers)
