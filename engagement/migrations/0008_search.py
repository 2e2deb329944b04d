from typing import ClassVar

import django.contrib.postgres.indexes
import django.contrib.postgres.search
from django.db import migrations, models

import engagement.querysets


class Migration(migrations.Migration):
    """Words are searched with team and week beside them, so that neither other teams nor other weeks are read."""

    dependencies: ClassVar = [("core", "0004_search"), ("engagement", "0007_service_messages")]
    operations: ClassVar = [
        migrations.RemoveIndex(
            model_name="interaction",
            name="engagement_int_text",
        ),
        migrations.AddIndex(
            model_name="interaction",
            index=models.Index(fields=["-occurred_at", "-id"], name="engagement_int_newest"),
        ),
        migrations.AddIndex(
            model_name="interaction",
            index=django.contrib.postgres.indexes.GinIndex(
                models.F("team"),
                engagement.querysets.Week("occurred_at"),
                django.contrib.postgres.search.SearchVector("subject", "text", config="simple"),
                gin_pending_list_limit=512,
                name="engagement_int_said",
            ),
        ),
    ]
