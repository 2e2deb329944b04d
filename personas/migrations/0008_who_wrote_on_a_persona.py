"""Who changed last what people write on a persona, and how often that was done."""

from typing import ClassVar

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("personas", "0007_lookalikes"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations: ClassVar = [
        migrations.AddField(
            model_name="persona",
            name="edits",
            field=models.PositiveIntegerField(
                default=0,
                db_default=0,
                help_text="how often people changed what they wrote; a form of an earlier state is refused",
            ),
        ),
        migrations.AddField(
            model_name="persona",
            name="edited_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="persona",
            name="edited_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
