"""How plans, ad spend and lookalikes are read and written over the API."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from core.api.fields import Input, NetworkField, Text
from core.api.schema import example
from core.models import Workspace
from personas.models import AdSpend, Lookalike, Persona, ReachPlan, Segment
from personas.reach.planning import (
    MOST_AHEAD,
    MOST_DAYS,
    MOST_MESSAGES,
    MOST_POSTS,
    PER_PERSON,
    Ask,
    audience_of,
)
from personas.reach.spend import LARGEST, SpendIn

# Ad spend


class AdSpendOut(serializers.ModelSerializer[AdSpend]):
    """What one campaign on one network cost on one day; `base_amount` is null without a rate."""

    class Meta:
        model = AdSpend
        fields = ("id", "network", "campaign", "day", "amount", "currency", "base_amount", "source", "at")


SPEND = {
    "network": "instagram",
    "campaign": "Spring ferns",
    "day": "2026-03-31",
    "amount": "12.50",
    "currency": "EUR",
}


def _amount() -> serializers.DecimalField:
    return serializers.DecimalField(max_digits=14, decimal_places=2, min_value=Decimal(0), max_value=LARGEST)


@example("A day", SPEND)
class AdSpendPush(Input):
    """What a campaign cost on a day; known by network, campaign and day."""

    network = NetworkField()
    campaign = Text(required=False, allow_blank=True, max_length=160, default="")
    day = serializers.DateField()
    amount = _amount()
    currency = Text(min_length=3, max_length=3)


def spend_in(values: dict[str, Any]) -> SpendIn:
    """What the service takes of one checked item."""
    return SpendIn(values["network"], values["day"], values["amount"], values["currency"], values["campaign"])


@example("Another amount", {"amount": "21.50", "currency": "EUR"})
class AdSpendChanges(Input):
    """Another amount for the same day."""

    amount = _amount()
    currency = Text(required=False, min_length=3, max_length=3)


# Plans

PLAN = {"persona": 3, "first_day": "2026-12-01", "last_day": "2026-12-31", "posts": 12}


class PlanOut(serializers.ModelSerializer[ReachPlan]):
    """A plan without what it says."""

    class Meta:
        model = ReachPlan
        fields = (
            "id", "name", "persona", "segment", "first_day", "last_day", "posts", "messages", "created_by",
            "created_at",
        )  # fmt: skip


class PlanDetailOut(PlanOut):
    """A plan with its shares, the evidence behind each, and its days."""

    result = serializers.DictField(
        help_text=(
            "`posts`, `messages` and `contents`: shares with the counts behind each; `left_out`: networks "
            "and why; `hours`, `topics`; `entries`: one a post or batch of messages, with day, hour and kind."
        )
    )

    class Meta:
        model = ReachPlan
        fields = (*PlanOut.Meta.fields, "result")


@example("A month", PLAN)
class PlanIn(Input):
    """For a persona or a segment, days, and how many posts or messages."""

    name = Text(required=False, allow_blank=True, max_length=120, default="")
    persona = serializers.PrimaryKeyRelatedField(queryset=Persona.objects.all(), required=False)
    segment = serializers.PrimaryKeyRelatedField(queryset=Segment.objects.all(), required=False)
    first_day = serializers.DateField()
    last_day = serializers.DateField()
    posts = serializers.IntegerField(required=False, min_value=0, max_value=MOST_POSTS, default=0)
    messages = serializers.IntegerField(required=False, min_value=0, max_value=MOST_MESSAGES, default=0)
    per_person = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=30,
        default=PER_PERSON,
        help_text="Messages that one person gets in 30 days at most, those already sent with them.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("persona" in attrs) == ("segment" in attrs):
            words = "Name a persona or a segment, and not both."
            raise ValidationError({"persona": [ErrorDetail(words, code="invalid")]})
        if not timedelta(0) <= attrs["last_day"] - attrs["first_day"] < timedelta(MOST_DAYS):
            words = f"A plan has 1 to {MOST_DAYS} days, the first before the last."
            raise ValidationError({"last_day": [ErrorDetail(words, code="invalid")]})
        if attrs["last_day"] > Workspace.current().today() + timedelta(MOST_AHEAD):
            words = f"A plan ends at most {MOST_AHEAD} days from today."
            raise ValidationError({"last_day": [ErrorDetail(words, code="invalid")]})
        if not attrs["posts"] and not attrs["messages"]:
            words = "Ask for at least one post or message."
            raise ValidationError({"posts": [ErrorDetail(words, code="invalid")]})
        return attrs


def ask_of(values: dict[str, Any]) -> Ask:
    """What the planner takes of a checked body."""
    return Ask(
        audience_of(values.get("persona"), values.get("segment")),
        values["first_day"],
        values["last_day"],
        values["posts"],
        values["messages"],
        values["per_person"],
    )


class PlanOutcomeRowOut(serializers.Serializer[Any]):
    """What was planned and done on one network up to a day."""

    network = serializers.CharField()
    planned = serializers.IntegerField()
    made = serializers.IntegerField()
    on_planned_days = serializers.IntegerField()
    reactions = serializers.IntegerField(help_text="By the audience, to posts of these days.")
    messages_planned = serializers.IntegerField()
    messages_made = serializers.IntegerField()
    answered = serializers.IntegerField()


class PlanOutcomeOut(serializers.Serializer[Any]):
    """What happened on the days of a plan so far."""

    until = serializers.DateField()
    is_begun = serializers.BooleanField()
    rows = PlanOutcomeRowOut(many=True)


# Lookalikes


class LookalikeOut(serializers.ModelSerializer[Lookalike]):
    """A prospect who is like a persona, how typical, and why."""

    class Meta:
        model = Lookalike
        fields = ("customer", "distance", "typicality", "reasons")
