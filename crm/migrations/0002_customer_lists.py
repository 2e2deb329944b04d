import datetime
from typing import ClassVar

from django.db import migrations, models
from django.db.models.functions import Coalesce

NEVER = models.Value(datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC))
ROOTS = models.Q(merged_into__isnull=True)


class Migration(migrations.Migration):
    """The customer list pages by keyset, so its indexes hold the very columns that are compared."""

    dependencies: ClassVar = [("crm", "0001_initial")]
    operations: ClassVar = [
        migrations.RemoveIndex("customer", "crm_customer_recent"),
        migrations.AddIndex(
            "customer",
            models.Index(
                Coalesce("last_seen_at", NEVER).desc(),
                models.F("id").desc(),
                condition=ROOTS,
                name="crm_customer_recent",
            ),
        ),
        migrations.AddIndex(
            "customer", models.Index(fields=["name", "id"], condition=ROOTS, name="crm_customer_by_name")
        ),
    ]
