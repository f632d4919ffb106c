from django.db import migrations

# Where nobody vacuums them, as while no broker runs, the server does that without a brake, and before a tenth of a large table is dead.
# Rows of counters are rewritten by nearly every commit: in place, where their page has room.
SETTINGS = {
    "brokerweb_queues_message": "autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 100000, autovacuum_vacuum_cost_delay = 0",
    "brokerweb_queues_content": "autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 100000, autovacuum_vacuum_cost_delay = 0",
    "brokerweb_queues_queuecount": "fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000",
}


def forwards(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        for table, settings in SETTINGS.items():
            schema_editor.execute(f"ALTER TABLE {table} SET ({settings})")


def backwards(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        for table, settings in SETTINGS.items():
            names = ", ".join(setting.split(" = ")[0] for setting in settings.split(", "))
            schema_editor.execute(f"ALTER TABLE {table} RESET ({names})")


class Migration(migrations.Migration):
    dependencies = [("brokerweb_queues", "0002_postgres_keys")]

    operations = [migrations.RunPython(forwards, backwards)]
