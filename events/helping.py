"""What an event usually means for people: its cause, and what to do. Read from `help.csv`. Pure."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path
from typing import NamedTuple


class Help(NamedTuple):
    """Usual cause, and action."""

    cause: str
    action: str


@cache
def _texts() -> dict[str, Help]:
    with Path(__file__).with_name("help.csv").open(newline="", encoding="utf-8") as file:
        return {row["mnemonic"]: Help(row["cause"], row["action"]) for row in csv.DictReader(file)}


def help_for(mnemonic: str) -> Help | None:
    """The help of a shipped event type; None for one that nobody has described."""
    return _texts().get(mnemonic)
