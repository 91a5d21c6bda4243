"""The HTTP interface as a whole: routers of the apps by name, one shape for every error.

An error's body is `{"detail": text}`, or for 422 a list of `{"path", "code", "message"}`.
"""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.module_loading import import_string
from ninja import NinjaAPI, Router
from ninja.errors import AuthenticationError, ValidationError

logger = logging.getLogger(__name__)
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
DESCRIPTION = "Send `Authorization: Bearer <key>`. Times are ISO 8601 with an offset from UTC."


class Api(NinjaAPI):
    """NinjaAPI whose refusal of a method is JSON too."""

    @property
    def urls(self) -> tuple[list[Any], str, str]:
        patterns, app, namespace = super().urls
        for pattern in patterns:
            pattern.callback = _method_told(pattern.callback)
        return patterns, app, namespace


def _method_told(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    @wraps(view)
    def told(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = view(request, *args, **kwargs)
        if response.status_code == 405:
            detail = {"detail": f"{request.method} is not possible here."}
            allowed = response["Allow"]
            response = api.create_response(request, detail, status=405)
            response["Allow"] = allowed
        return response

    return told


api = Api(title="TMS", version="1", urls_namespace="api", description=DESCRIPTION)


@api.exception_handler(AuthenticationError)
def unauthorised(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    detail = {"detail": "A valid key is needed: Authorization: Bearer <key>."}
    response = api.create_response(request, detail, status=401)
    response["WWW-Authenticate"] = 'Bearer realm="TMS"'
    return response


@api.exception_handler(Http404)
def not_found(request: HttpRequest, error: Http404) -> HttpResponse:
    return api.create_response(request, {"detail": str(error) or "Not found."}, status=404)


@api.exception_handler(ValidationError)
def invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    return api.create_response(request, [_problem(e) for e in error.errors], status=422)


@api.exception_handler(OperationalError)
def unavailable(request: HttpRequest, error: OperationalError) -> HttpResponse:
    """The database is away or overloaded; nothing was stored, the client may try again."""
    logger.error("database: %s", error)
    response = api.create_response(request, {"detail": "Try again later."}, status=503)
    response["Retry-After"] = "5"
    return response


@api.exception_handler(Exception)
def failed(request: HttpRequest, error: Exception) -> HttpResponse:
    """A fault of ours."""
    logger.error("%s %s", request.method, request.path, exc_info=error)
    return api.create_response(request, {"detail": "Internal error."}, status=500)


def _problem(error: dict[str, Any]) -> dict[str, str]:
    """A fault as pydantic tells it, in our shape; the path without the name of its parser."""
    where, *path = map(str, error["loc"])
    if where != "path" and len(path) > 1:
        path = path[1:]
    return {
        "path": ".".join(path),
        "code": str(error["type"]).upper(),
        "message": str(error["msg"]),
    }


for name in settings.TMS_API_ROUTERS:
    api.add_router("", import_string(name))

# What no router knows is answered here, in JSON, not by the log-in page.
rest = Router()


@rest.api_operation(METHODS, "/{path:path}", include_in_schema=False)
def nowhere(request: HttpRequest, path: str) -> HttpResponse:
    raise Http404("There is no such call; see docs.")


api.add_router("", rest)
