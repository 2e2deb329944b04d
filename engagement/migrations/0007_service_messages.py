from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("engagement", "0006_visits"),
    ]

    operations = [
        migrations.AlterField(
            model_name="contactledger",
            name="origin",
            field=models.CharField(
                choices=[
                    ("reply", "Reply"),
                    ("started", "We wrote first"),
                    ("service", "Service message"),
                ],
                max_length=10,
            ),
        ),
    ]
