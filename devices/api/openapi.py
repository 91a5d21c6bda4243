"""What the OpenAPI page tells of answers and bodies that msgspec makes and reads."""

from http import HTTPStatus
from typing import Any

import msgspec


def schema_of(kind: Any) -> dict[str, Any]:
    """The JSON schema of a type, complete in itself: parts are put in where they are named."""
    (top,), parts = msgspec.json.schema_components([kind], ref_template="{name}")

    def complete(node: Any) -> Any:
        if isinstance(node, dict):
            if "$ref" in node:
                return complete(parts[node["$ref"]])
            return {key: complete(value) for key, value in node.items()}
        return [complete(value) for value in node] if isinstance(node, list) else node

    return complete(top)


def answers(**kinds: Any) -> dict[str, Any]:
    """The `openapi_extra` of an operation's good answers, each named by its status: `OK=…`."""
    return {
        "responses": {
            HTTPStatus[name].value: {
                "description": HTTPStatus[name].phrase,
                "content": {"application/json": {"schema": schema_of(kind)}},
            }
            for name, kind in kinds.items()
        }
    }
