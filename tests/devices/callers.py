"""Short ways to call the HTTP interface, for its tests."""

import json
from typing import Any

from django.http import HttpResponse
from django.test import Client

from devices.models import ApiKey, FunctionalGroup
from devices.services.keys import api_key_create

BASE = "/api/v1"


def key_make(*scopes: str, name: str = "caller", groups: tuple[FunctionalGroup, ...] = ()) -> str:
    """A new key with these scopes (default: all of them)."""
    return api_key_create(name, scopes or ApiKey.Scope.values, groups)[1]


class Caller:
    """A client with a key."""

    def __init__(self, key: str | None = None) -> None:
        self.headers = {"Authorization": f"Bearer {key}"} if key else {}
        self.client = Client(raise_request_exception=False)

    def get(self, path: str, **params: Any) -> HttpResponse:
        return self.client.get(BASE + path, params, headers=self.headers)

    def items(self, path: str, **params: Any) -> list[dict[str, Any]]:
        """All items of a list, page by page."""
        found, cursor = [], {}
        while True:
            answer = self.get(path, **params, **cursor)
            assert answer.status_code == 200, answer.content
            page = answer.json()
            found += page["items"]
            if page["next"] is None:
                return found
            cursor = {"cursor": page["next"]}

    def post(self, body: Any, *, path: str = "/batches", **headers: str) -> HttpResponse:
        """Post a body: bytes as they are, anything else as JSON. `_` in a header's name is `-`."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(
            BASE + path, data, content_type="application/json", headers={**self.headers, **named}
        )


def codes(answer: HttpResponse) -> list[tuple[str, str]]:
    """(path, code) of each problem of a 422."""
    assert answer.status_code == 422, (answer.status_code, answer.content[:500])
    return [(problem["path"], problem["code"]) for problem in answer.json()]
