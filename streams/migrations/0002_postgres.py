"""PostgreSQL's tables as they are best there: the key of records begins with their partition, and rows that change with every
append or commit have room beside them, so that no index is written for them.
"""

from django.db import migrations

STATEMENTS = (
    "ALTER TABLE brokerweb_streams_record DROP CONSTRAINT brokerweb_streams_record_pkey, ADD PRIMARY KEY (partition_id, id)",
    "ALTER TABLE brokerweb_streams_partition SET (fillfactor = 10)",
    "ALTER TABLE brokerweb_streams_grouppartition SET (fillfactor = 10)",
)


def on_postgres(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        for statement in STATEMENTS:
            schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("brokerweb_streams", "0001_streams")]
    operations = [migrations.RunPython(on_postgres, migrations.RunPython.noop)]
