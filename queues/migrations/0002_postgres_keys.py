from django.db import migrations

# Of tables that a spread database would divide by queue: keys begin with it. Django goes on to look rows up by the other column.
COLUMNS = {
    "brokerweb_queues_message": "id",
    "brokerweb_queues_content": "message_id",
    "brokerweb_queues_failure": "id",
    "brokerweb_queues_settledmessage": "id",
    "brokerweb_queues_messageevent": "id",
    "brokerweb_queues_searchvalue": "message_id, field_id",
}
# any_ready_above, claim_above: what came back to a place that claims have passed
RETURNED = """
CREATE INDEX message_returned ON brokerweb_queues_message (queue_id, priority DESC, position) WHERE state = 1 AND returned
"""


def forwards(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    for table, columns in COLUMNS.items():
        schema_editor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {table}_pkey, ADD PRIMARY KEY (queue_id, {columns})")
        if "," not in columns:
            schema_editor.execute(f"CREATE INDEX {table.removeprefix('brokerweb_queues_')}_by_id ON {table} ({columns})")
    schema_editor.execute(RETURNED)


def backwards(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    for table, columns in COLUMNS.items():
        schema_editor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {table}_pkey, ADD PRIMARY KEY ({columns})")
        if "," not in columns:
            schema_editor.execute(f"DROP INDEX {table.removeprefix('brokerweb_queues_')}_by_id")
    schema_editor.execute("DROP INDEX message_returned")


class Migration(migrations.Migration):
    dependencies = [("brokerweb_queues", "0001_queues")]

    operations = [migrations.RunPython(forwards, backwards)]
