from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("crm", "0005_stages_once"),
    ]

    operations = [
        migrations.AddField(
            model_name="identity",
            name="link_version",
            field=models.PositiveIntegerField(
                db_default=0,
                default=0,
                help_text="signed links to this person's own page carry it; counting ends them",
            ),
        ),
    ]
