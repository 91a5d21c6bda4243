"""How the database answers a page's queries: no table of the fleet may be read from end to end."""

import re
from typing import Any

from django.db import connection

FLEET = (
    *("devices_device", "devices_installation", "devices_membership", "devices_channel"),
    *("devices_batch", "devices_intervalblock", "devices_journalentry", "devices_quarantined"),
    *("devices_registersnapshot", "devices_registerentry", "events_event"),
)


def scans(queries: list[dict[str, Any]]) -> list[str]:
    """The plans of these captured queries that read a fleet's table from end to end.

    PostgreSQL is told to avoid sequential scans, which it prefers on the few rows of a test: what
    is left then is what no index can serve.
    """
    selects = [q["sql"] for q in queries if q["sql"].lstrip().startswith(("SELECT", "(SELECT"))]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
            faults = [fault for sql in selects for fault in _postgres(cursor, sql)]
            cursor.execute("SET LOCAL enable_seqscan = on")
            return faults
        return [fault for sql in selects for fault in _sqlite(cursor, sql)]


def _sqlite(cursor, sql: str) -> list[str]:
    cursor.execute("EXPLAIN QUERY PLAN " + sql)
    steps = [row[3] for row in cursor.fetchall()]
    faults = []
    for step in steps:
        # Walking in the order of a key is fine where LIMIT, and nothing else, ends the walk.
        table = re.match(r'SCAN "?(\w+)', step)
        walk = "LIMIT" in sql and " WHERE " not in sql
        if table and table[1] in FLEET and not walk:
            faults.append(f"{step}: {sql}")
        # Sorting is fine where a list of keys, or one device's rows, is what is sorted.
        few = " IN (" in sql or re.search(r"device_id\" = \d", sql)
        if "TEMP B-TREE FOR ORDER BY" in step and "LIMIT" in sql and not few:
            faults.append(f"{step}: {sql}")
    return faults


def _postgres(cursor, sql: str) -> list[str]:
    cursor.execute("EXPLAIN " + sql)
    steps = [row[0] for row in cursor.fetchall()]
    return [
        f"{step.strip()}: {sql}"
        for step in steps
        if re.search(rf"Seq Scan on ({'|'.join(FLEET)})\b", step)
    ]
