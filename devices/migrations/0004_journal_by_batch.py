"""The journal's entries by their batch alone (PostgreSQL): a tenth of the key's size.

Nothing looks an entry up by its place in the batch, and no two can have the same: a batch is
written once, whole, counted by the statement that writes it.
"""

from django.db import migrations


def forwards(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        run = schema_editor.execute
        run("ALTER TABLE devices_journalentry DROP CONSTRAINT devices_journalentry_pkey")
        run("CREATE INDEX journal_batch ON devices_journalentry (batch_id)")


class Migration(migrations.Migration):
    dependencies = [("devices", "0003_list_indexes")]
    operations = [migrations.RunPython(forwards, migrations.RunPython.noop)]
