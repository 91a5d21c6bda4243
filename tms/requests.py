"""Each request has an id: in the log, and in the answer's X-Request-ID."""

import ipaddress
import logging
import re
import time
import uuid
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from devices import tracing

logger = logging.getLogger(__name__)
HEADER = "X-Request-ID"
QUIET = ("/healthz", "/readyz", "/metrics")  # asked every few seconds, and told of nowhere
_GIVEN = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestIds:
    """Middleware, the outermost. A proxy's id is taken over when it is a plain one.

    The line of a request names the way in, never what was asked: no query, no body, no header.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get(HEADER, "")
        name = given if _GIVEN.fullmatch(given) else uuid.uuid4().hex
        begun = time.monotonic()
        with tracing.bound(request=name):
            response = self.get_response(request)
            if request.path not in QUIET:
                _told(request, response, time.monotonic() - begun)
        response[HEADER] = name
        return response


def client_address(request: HttpRequest) -> str:
    """Who calls: the peer, or whom the outermost of our own proxies saw.

    What stands further left in X-Forwarded-For was written by the caller, and is not believed.
    """
    seen = [one.strip() for one in request.headers.get("X-Forwarded-For", "").split(",")]
    if 0 < settings.TMS_PROXIES <= len(seen):
        try:
            return str(ipaddress.ip_address(seen[-settings.TMS_PROXIES]))
        except ValueError:
            pass
    return request.META.get("REMOTE_ADDR", "")


def _told(request: HttpRequest, response: HttpResponse, seconds: float) -> None:
    fields = {
        "method": request.method,
        "path": request.path,
        "status": response.status_code,
        "milliseconds": round(1000 * seconds, 1),
        "address": client_address(request),
    }
    user, key = getattr(request, "user", None), getattr(request, "auth", None)
    if user is not None and user.is_authenticated:
        fields["user"] = user.get_username()
    if key is not None:
        fields["key"] = str(key)
    logger.info("%s %s %s", request.method, request.path, response.status_code, extra=fields)
