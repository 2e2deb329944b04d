"""How channel accounts and their health are read over the API; credentials are nowhere among it."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from core.api.fields import Input
from core.api.schema import example
from engagement import account_health
from engagement.channels import connector, paths
from engagement.models import ChannelAccount
from engagement.reconciling import DAYS, MOST_DAYS
from engagement.troubles import troubles


class ChannelAccountOut(serializers.ModelSerializer[ChannelAccount]):
    """A connected page, mailbox, number or shop, and how it does."""

    class Meta:
        model = ChannelAccount
        fields = (
            "id", "connector", "network", "external_id", "name", "issuer", "brand", "team", "is_active",
            "health", "health_text", "last_in_at", "last_out_at", "received", "stored", "repeated", "parked",
            "hook_state", "token_expires_at", "reconciled_at", "silent_since", "reply_goal_minutes",
            "created_at",
        )  # fmt: skip


class TroubleOut(serializers.Serializer[Any]):
    """One thing that is wrong, in words."""

    part = serializers.ChoiceField(choices=["access", "webhook", "flow", "comparison", "parked"])
    text = serializers.CharField()
    detail = serializers.CharField(allow_blank=True)
    level = serializers.ChoiceField(choices=["bad", "soon"])
    at = serializers.DateTimeField()


class FindingOut(serializers.Serializer[Any]):
    """One line of a self-test."""

    name = serializers.CharField()
    works = serializers.BooleanField()
    text = serializers.CharField(allow_blank=True)
    remedy = serializers.CharField(allow_blank=True)
    scope = serializers.CharField(allow_blank=True)


class DayOut(serializers.Serializer[Any]):
    """One local day; `compared` is null where it was not compared."""

    day = serializers.DateField()
    here = serializers.IntegerField()
    compared = serializers.SerializerMethodField()

    def get_compared(self, day: account_health.Day) -> dict[str, int] | None:
        row = day.compared
        names = ("theirs", "ours", "missing", "repaired", "gone")
        return {name: getattr(row, name) for name in names} if row else None


class ChannelHealthOut(serializers.Serializer[Any]):
    """An account's health in words and figures."""

    id = serializers.IntegerField()
    health = serializers.CharField()
    troubles = TroubleOut(many=True)
    last_in_at = serializers.DateTimeField(allow_null=True)
    last_out_at = serializers.DateTimeField(allow_null=True)
    lag_seconds = serializers.FloatField(allow_null=True)
    token_expires_at = serializers.DateTimeField(allow_null=True)
    token_renews = serializers.BooleanField(help_text="The token is renewed without anybody's help.")
    scopes = serializers.ListField(child=serializers.CharField())
    missing_scopes = serializers.ListField(child=serializers.CharField())
    hook_state = serializers.CharField()
    hook_text = serializers.CharField(allow_blank=True)
    hooks_refused = serializers.IntegerField(help_text="For a wrong signature, in 30 days.")
    pulls_closed_until = serializers.DateTimeField(allow_null=True)
    sends_closed_until = serializers.DateTimeField(allow_null=True)
    waiting = serializers.IntegerField()
    failed = serializers.IntegerField()
    uncertain = serializers.IntegerField()
    may_be_twice = serializers.IntegerField()
    parked = serializers.IntegerField()
    silent_since = serializers.DateTimeField(allow_null=True)
    reconciled_at = serializers.DateTimeField(allow_null=True)
    reconcile_text = serializers.CharField(allow_blank=True)
    findings = FindingOut(many=True)
    examined_at = serializers.DateTimeField(allow_null=True)
    days = DayOut(many=True)


@example("The last fortnight", {"days": 14})
class CompareIn(Input):
    """How far back a comparison goes."""

    days = serializers.IntegerField(min_value=1, max_value=MOST_DAYS, default=DAYS)


def health_of(account: ChannelAccount) -> dict[str, Any]:
    """What `ChannelHealthOut` shows."""
    link = connector(account.connector) if account.connector in paths() else None
    token, out = account_health.token_of(account, link), account_health.out_of(account)
    columns = (
        "id", "health", "last_in_at", "last_out_at", "token_expires_at", "scopes", "hook_state", "hook_text",
        "silent_since", "reconciled_at", "reconcile_text", "findings", "examined_at",
    )  # fmt: skip
    return {
        **{name: getattr(account, name) for name in columns},
        "troubles": troubles([account])[account.pk],
        "lag_seconds": account_health.lag_of(account),
        "token_renews": bool(token and token.renews),
        "missing_scopes": account_health.missing_scopes(account, link),
        "hooks_refused": account_health.refused_of(account).n,
        "pulls_closed_until": account.closed_until,
        "sends_closed_until": account.send_closed_until,
        "waiting": out.waiting,
        "failed": out.failed,
        "uncertain": out.uncertain,
        "may_be_twice": out.twice,
        "parked": account_health.parked_of(account).count(),
        "days": account_health.days_of(account),
    }
