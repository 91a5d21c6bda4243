"""Golden files: bytes compared as bytes. `UPDATE_GOLDEN=1` rewrites them, never where CI is set."""

import os
from pathlib import Path

GOLDEN = Path(__file__).parents[2] / "golden"


def golden_check(name: str, data: bytes) -> None:
    """Compares with tests/golden/<name>, or rewrites it when asked to."""
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN") == "1":
        if os.environ.get("CI"):
            raise RuntimeError("golden files are not rewritten where CI is set")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    assert path.read_bytes() == data, f"{name} differs"
