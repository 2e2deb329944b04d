from typing import ClassVar

import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.expressions
import django.db.models.functions.comparison
import django.db.models.functions.text
from django.db import migrations, models

import core.finding


class Migration(migrations.Migration):
    """Names and handles are searched folded, numbers by their last digits, ids and orders by their beginning."""

    dependencies: ClassVar = [("core", "0004_search"), ("crm", "0007_linkage_marks")]
    operations: ClassVar = [
        migrations.RemoveIndex(
            model_name="customer",
            name="crm_customer_name_trgm",
        ),
        migrations.RemoveIndex(
            model_name="identity",
            name="crm_identity_handle_trgm",
        ),
        migrations.AddIndex(
            model_name="customer",
            index=django.contrib.postgres.indexes.GinIndex(
                django.db.models.expressions.CombinedExpression(models.F("id"), "/", models.Value(16384)),
                django.contrib.postgres.indexes.OpClass(core.finding.Fold("name"), "gin_trgm_ops"),
                gin_pending_list_limit=512,
                name="crm_customer_named",
            ),
        ),
        migrations.AddIndex(
            model_name="customernote",
            index=django.contrib.postgres.indexes.GinIndex(
                django.contrib.postgres.search.SearchVector("text", config="simple"),
                name="crm_customernote_text",
            ),
        ),
        migrations.AddIndex(
            model_name="identity",
            index=django.contrib.postgres.indexes.GinIndex(
                django.db.models.expressions.CombinedExpression(
                    models.F("customer"), "/", models.Value(16384)
                ),
                django.contrib.postgres.indexes.OpClass(
                    core.finding.Fold(
                        django.db.models.functions.comparison.Coalesce(
                            django.db.models.functions.comparison.NullIf("handle", models.Value("")),
                            "external_id",
                        )
                    ),
                    "gin_trgm_ops",
                ),
                gin_pending_list_limit=512,
                name="crm_identity_shown",
            ),
        ),
        migrations.AddIndex(
            model_name="identity",
            index=models.Index(
                django.contrib.postgres.indexes.OpClass(core.finding.Fold("external_id"), "text_pattern_ops"),
                name="crm_identity_given",
            ),
        ),
        migrations.AddIndex(
            model_name="identity",
            index=models.Index(
                django.contrib.postgres.indexes.OpClass(
                    django.db.models.functions.text.Reverse("external_id"), "text_pattern_ops"
                ),
                condition=models.Q(("network", "phone")),
                name="crm_identity_digits",
            ),
        ),
        migrations.AddIndex(
            model_name="order",
            index=models.Index(
                django.contrib.postgres.indexes.OpClass(core.finding.Fold("number"), "text_pattern_ops"),
                condition=models.Q(("number", ""), _negated=True),
                name="crm_order_numbered",
            ),
        ),
        migrations.AddIndex(
            model_name="order",
            index=models.Index(
                django.contrib.postgres.indexes.OpClass(core.finding.Fold("external_id"), "text_pattern_ops"),
                name="crm_order_given",
            ),
        ),
    ]
