"""The shipped catalogue: read from `catalogue.csv`, put into an empty database, never over edits.

Runs after every `migrate` and after a flush. What exists is left as it is: a type that an
operator has edited, an alias that was taken away.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.apps.registry import Apps
from django.db import transaction

from events.codes import NUISANCE_MNEMONICS, Alias

CATALOGUE = Path(__file__).with_name("catalogue.csv")
# formats/events.md 6.
ALIASES = {
    "3.26.0.47": Alias("PWR_DOWN"),
    "3.26.17.185": Alias("PWR_DOWN"),
    "3.26.131.223": Alias("V_SAG_START", "A"),
    "3.26.132.223": Alias("V_SAG_START", "B"),
    "3.26.133.223": Alias("V_SAG_START", "C"),
    "3.21.38.223": Alias("V_SAG_END"),
    "3.26.131.224": Alias("V_SAG_END", "A"),
    "3.26.132.224": Alias("V_SAG_END", "B"),
    "3.26.133.224": Alias("V_SAG_END", "C"),
    "3.26.131.248": Alias("V_SWELL_START", "A"),
    "3.26.132.248": Alias("V_SWELL_START", "B"),
    "3.26.133.248": Alias("V_SWELL_START", "C"),
    "3.26.131.249": Alias("V_SWELL_END", "A"),
    "3.26.132.249": Alias("V_SWELL_END", "B"),
    "3.26.133.249": Alias("V_SWELL_END", "C"),
    "3.33.1.219": Alias("REV_ROTATION"),
    "3.33.1.257": Alias("TAMPER"),
    "3.22.12.243": Alias("TEST_MODE_ON"),
    "26.36.114.24": Alias("TIME_CHANGED"),
}


def catalogue_rows() -> Iterator[tuple[dict[str, Any], str]]:
    """The fields of each shipped type, and the mnemonic that it is paired with."""
    with CATALOGUE.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            fields = {
                "mnemonic": row["mnemonic"],
                "category": row["category"],
                "severity": row["severity"],
                "state": row["state"],
                "c1219_codes": row["c1219_code"],
                "iec_codes": row["iec_code"],
                "iec_confidence": row["iec_confidence"],
                "default_routed": row["default_routed"] == "Y",
                "meaning": row["meaning"],
                "nuisance": row["mnemonic"] in NUISANCE_MNEMONICS,
            }
            yield fields, row["paired_with"]


def catalogue_seed(
    sender: AppConfig, using: str = "default", apps: Apps | None = None, **kwargs: Any
) -> None:
    """Add the types that are missing, with their pairs and aliases; a `post_migrate` receiver."""
    if apps is None:
        apps = sender.apps
    try:
        types = apps.get_model("events", "EventType").objects.using(using)
        aliases = apps.get_model("events", "EventAlias").objects.using(using)
    except LookupError:  # migrated back to before there were any
        return
    known = set(types.values_list("mnemonic", flat=True))
    missing = [row for row in catalogue_rows() if row[0]["mnemonic"] not in known]
    if not missing:
        return
    with transaction.atomic(using=using):
        types.bulk_create([types.model(**fields) for fields, _ in missing], ignore_conflicts=True)
        stored = types.in_bulk(field_name="mnemonic")
        added = [(stored[fields["mnemonic"]], pair) for fields, pair in missing]
        for kind, pair in added:
            kind.paired_with = stored.get(pair)
        types.bulk_update([kind for kind, _ in added], ["paired_with"])
        new = {kind.mnemonic for kind, _ in added}
        aliases.bulk_create(
            [
                aliases.model(code=code, type=stored[alias.mnemonic], phases=alias.phases)
                for code, alias in ALIASES.items()
                if alias.mnemonic in new
            ],
            ignore_conflicts=True,
        )
