"""What Django's models cannot say: partitions, and periods that may not overlap (PostgreSQL)."""

from django.db import migrations

PARTITIONED = (
    ("devices_intervalblock", "day", "channel_id, day", ("block_day", "day")),
    (
        "devices_journalentry",
        "month",
        "batch_id, seq, month",
        ("journal_channel_day", "channel_id, day, batch_id"),
    ),
)
# (table, constraint, what may not overlap, condition)
EXCLUSIONS = (
    ("devices_installation", "installation_overlap", "device_id WITH =", ""),
    ("devices_membership", "membership_overlap", "device_id WITH =, group_id WITH =", ""),
    ("devices_membership", "bill_cycle_overlap", "device_id WITH =", "kind = 'BILL_CYCLE'"),
    ("devices_channel", "channel_overlap", "device_id WITH =, number WITH =", ""),
)


def forwards(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    run = schema_editor.execute
    for table, by, primary, (index, columns) in PARTITIONED:
        run(f"ALTER TABLE {table} RENAME TO {table}_plain")
        run(f"CREATE TABLE {table} (LIKE {table}_plain) PARTITION BY RANGE ({by})")
        run(f"DROP TABLE {table}_plain")
        run(f"ALTER TABLE {table} ADD PRIMARY KEY ({primary})")
        run(f"CREATE INDEX {index} ON {table} ({columns})")
    run("CREATE EXTENSION IF NOT EXISTS btree_gist")
    for table, name, what, condition in EXCLUSIONS:
        where = f" WHERE ({condition})" if condition else ""
        run(
            f"ALTER TABLE {table} ADD CONSTRAINT {name} EXCLUDE USING gist "
            f"({what}, tstzrange(valid_from, valid_to) WITH &&){where}"
        )
    from devices.journal.partitions import first_partitions_create

    first_partitions_create(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [("devices", "0001_initial")]
    operations = [migrations.RunPython(forwards, migrations.RunPython.noop)]
