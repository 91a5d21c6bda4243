"""Where Django reads and writes: the replica is read where a block says so, and never written."""

from typing import Any

from django.db import DEFAULT_DB_ALIAS

from devices.journal import sql

REPLICA = "replica"


class ReplicaRouter:
    """All of Django's queries follow `sql.reading_from`; all writes go to the primary."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return sql.read_alias()

    def db_for_write(self, model: Any, **hints: Any) -> str:
        return DEFAULT_DB_ALIAS

    def allow_relation(self, one: Any, other: Any, **hints: Any) -> bool:
        return True

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return db != REPLICA
