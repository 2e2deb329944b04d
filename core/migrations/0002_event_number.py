from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    """Events are numbered for the change feed once they can be seen, not by the transaction that wrote them."""

    dependencies: ClassVar = [("core", "0001_initial")]
    operations: ClassVar = [
        migrations.RemoveField("event", "transaction"),
        migrations.AddField(
            "event", "number", models.BigIntegerField(editable=False, null=True, unique=True)
        ),
        migrations.RemoveIndex("event", "core_event_type"),
        migrations.AddIndex("event", models.Index(fields=["type", "number"], name="core_event_type")),
        migrations.AddIndex(
            "event",
            models.Index(
                fields=["id"], condition=models.Q(number__isnull=True), name="core_event_unnumbered"
            ),
        ),
        migrations.RunSQL(
            "CREATE SEQUENCE core_event_feed AS bigint", "DROP SEQUENCE IF EXISTS core_event_feed"
        ),
    ]
