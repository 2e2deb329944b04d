"""What every channel needs: webhooks, tokens that end, acts, comparison with the platform, files on their way."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import core.secrets


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0004_audit_blots_out_the_erased"),
        ("core", "0004_search"),
        ("engagement", "0009_chat_proofs"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        # where one address serves all accounts of an app, the body says whose it is
        migrations.RunSQL(
            "ALTER TABLE engagement_rawevent ALTER COLUMN account_id DROP NOT NULL",
            "ALTER TABLE engagement_rawevent ALTER COLUMN account_id SET NOT NULL",
        ),
        migrations.CreateModel(
            name="ActRecord",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "act",
                    models.CharField(
                        choices=[
                            ("hide", "Hide"),
                            ("unhide", "Unhide"),
                            ("like", "Like"),
                            ("unlike", "Unlike"),
                            ("delete", "Delete"),
                            ("block", "Block"),
                            ("unblock", "Unblock"),
                        ],
                        max_length=8,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("queued", "Queued"),
                            ("doing", "Doing"),
                            ("done", "Done"),
                            ("failed", "Failed"),
                        ],
                        default="queued",
                        max_length=8,
                    ),
                ),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("next_try_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("lease_until", models.DateTimeField(blank=True, null=True)),
                ("failure_text", models.CharField(blank=True, max_length=500)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("done_at", models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.CreateModel(
            name="LoginGrant",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("connector", models.CharField(max_length=40)),
                ("offers", core.secrets.EncryptedJSONField(default=dict)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.CreateModel(
            name="Reconciliation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("day", models.DateField(help_text="local day of the workspace")),
                ("theirs", models.PositiveIntegerField(default=0, help_text="what the platform says it has")),
                (
                    "ours",
                    models.PositiveIntegerField(
                        default=0, help_text="of them stored here before the comparison"
                    ),
                ),
                (
                    "missing",
                    models.PositiveIntegerField(
                        default=0, help_text="of them not here before the comparison"
                    ),
                ),
                (
                    "repaired",
                    models.PositiveIntegerField(default=0, help_text="of the missing, fetched and stored"),
                ),
                (
                    "gone",
                    models.PositiveIntegerField(default=0, help_text="here, and deleted on the platform"),
                ),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.CreateModel(
            name="RefusedHook",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("connector", models.CharField(max_length=40)),
                ("day", models.DateField()),
                ("n", models.PositiveBigIntegerField(default=0)),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.AddField(
            model_name="attachment",
            name="attempts",
            field=models.PositiveSmallIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="attachment",
            name="height",
            field=models.PositiveIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="attachment",
            name="lease_until",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="attachment",
            name="next_try_at",
            field=models.DateTimeField(default=django.utils.timezone.now),
        ),
        migrations.AddField(
            model_name="attachment",
            name="source",
            field=models.TextField(
                blank=True, help_text="where a worker fetches it: a URL, or the platform's id"
            ),
        ),
        migrations.AddField(
            model_name="attachment",
            name="state",
            field=models.CharField(
                choices=[("kept", "Kept"), ("waiting", "Being fetched"), ("failed", "Not available")],
                default="kept",
                max_length=8,
            ),
        ),
        migrations.AddField(
            model_name="attachment",
            name="thumbnail",
            field=models.FileField(blank=True, max_length=300, upload_to="thumbnails/%Y/%m"),
        ),
        migrations.AddField(
            model_name="attachment",
            name="width",
            field=models.PositiveIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="channelaccount",
            name="closed_until",
            field=models.DateTimeField(
                blank=True,
                help_text="after failures in a row nothing is asked or sent before this",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="channelaccount",
            name="examined_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="channelaccount",
            name="findings",
            field=models.JSONField(blank=True, default=list, help_text="lines of the last self-test"),
        ),
        migrations.AddField(
            model_name="channelaccount",
            name="hook_checked_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="channelaccount",
            name="hook_expires_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="channelaccount",
            name="hook_key",
            field=models.CharField(
                blank=True, help_text="the secret part of its own webhook address", max_length=64
            ),
        ),
        migrations.AddField(
            model_name="channelaccount",
            name="hook_state",
            field=models.CharField(
                choices=[("none", "Not used"), ("on", "On"), ("off", "Off"), ("by_hand", "Set up by hand")],
                default="none",
                max_length=8,
            ),
        ),
        migrations.AddField(
            model_name="channelaccount",
            name="hook_text",
            field=models.CharField(blank=True, max_length=500),
        ),
        migrations.AddField(
            model_name="channelaccount",
            name="maintained_at",
            field=models.DateTimeField(
                blank=True, help_text="when token and webhook were last looked after", null=True
            ),
        ),
        migrations.AddField(
            model_name="channelaccount",
            name="reconciled_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="channelaccount",
            name="refresh_lease_until",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="channelaccount",
            name="scopes",
            field=models.JSONField(
                blank=True, default=list, help_text="permissions that the platform granted"
            ),
        ),
        migrations.AddField(
            model_name="channelaccount",
            name="silent_since",
            field=models.DateTimeField(
                blank=True,
                help_text="nothing came although its usual hours would have brought something",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="channelaccount",
            name="token_expires_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="delivery",
            name="advice",
            field=models.CharField(blank=True, help_text="what staff can do about a failure", max_length=500),
        ),
        migrations.AddField(
            model_name="delivery",
            name="may_be_twice",
            field=models.BooleanField(
                default=False,
                help_text="sent again although the first try may have arrived; the network cannot tell",
            ),
        ),
        migrations.AddField(
            model_name="interaction",
            name="hidden_at",
            field=models.DateTimeField(help_text="hidden from others on the network", null=True),
        ),
        migrations.AddField(
            model_name="post",
            name="metrics_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddIndex(
            model_name="attachment",
            index=models.Index(
                condition=models.Q(("state", "waiting")),
                fields=["next_try_at"],
                name="engagement_attachment_due",
            ),
        ),
        migrations.AddConstraint(
            model_name="channelaccount",
            constraint=models.UniqueConstraint(
                condition=models.Q(("hook_key", ""), _negated=True),
                fields=("hook_key",),
                name="engagement_channelaccount_hook_key",
            ),
        ),
        migrations.AddField(
            model_name="actrecord",
            name="account",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="acts",
                to="engagement.channelaccount",
            ),
        ),
        migrations.AddField(
            model_name="actrecord",
            name="interaction",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="acts", to="engagement.interaction"
            ),
        ),
        migrations.AddField(
            model_name="actrecord",
            name="staff",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="logingrant",
            name="staff",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="reconciliation",
            name="account",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="reconciliations",
                to="engagement.channelaccount",
            ),
        ),
        migrations.AddField(
            model_name="refusedhook",
            name="account",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="engagement.channelaccount",
            ),
        ),
        migrations.AddIndex(
            model_name="actrecord",
            index=models.Index(
                condition=models.Q(("state__in", ["queued", "doing"])),
                fields=["next_try_at"],
                name="engagement_actrecord_due",
            ),
        ),
        migrations.AddConstraint(
            model_name="actrecord",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ["queued", "doing"])),
                fields=("interaction", "act"),
                name="engagement_actrecord_one_open",
            ),
        ),
        migrations.AddConstraint(
            model_name="reconciliation",
            constraint=models.UniqueConstraint(
                fields=("account", "day"), name="engagement_reconciliation_unique"
            ),
        ),
        migrations.AddConstraint(
            model_name="refusedhook",
            constraint=models.UniqueConstraint(
                fields=("connector", "account", "day"),
                name="engagement_refusedhook_unique",
                nulls_distinct=False,
            ),
        ),
    ]
