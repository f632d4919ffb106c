from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("brokerweb_queues", "0003_postgres_vacuum")]

    operations = [
        migrations.AddIndex(
            "message",
            models.Index(
                models.F("queue"),
                models.F("key"),
                models.F("id"),
                name="message_key",
                condition=models.Q(("key__isnull", False), ("queue__gt", 0)),
            ),
        ),
        migrations.AddIndex(
            "settledmessage",
            models.Index(
                models.F("queue"), models.F("key"), models.F("id"), name="settled_key", condition=models.Q(("key__isnull", False))
            ),
        ),
    ]
