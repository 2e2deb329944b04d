"""The rows behind the figures."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import DurationField, ExpressionWrapper, F, Q, QuerySet
from django.db.models.functions import Now

from core.paging import EPOCH, Sort, desc
from crm.models import Order
from engagement.models import Conversation, Interaction

INTERACTION_SORTS = {"-at": Sort(desc("occurred_at"))}
CONVERSATION_SORTS = {"-at": Sort(desc("first_inbound_at", null=EPOCH))}
ORDER_SORTS = {"-at": Sort(desc("placed_at"))}


def _between(column: str, given: dict[str, Any], zone: ZoneInfo) -> Q:
    """Local days as moments, so that the index on the time serves it."""
    rows = Q()
    if given.get("first"):
        rows &= Q(**{f"{column}__gte": _midnight(given["first"], zone)})
    if given.get("last"):
        rows &= Q(**{f"{column}__lt": _midnight(given["last"] + timedelta(days=1), zone)})
    return rows


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time.min, tzinfo=zone)


def interactions(user: Any, given: dict[str, Any], zone: ZoneInfo) -> QuerySet[Interaction]:
    """Inbound interactions that this reader may see, those that dashboards count: no visits."""
    seen = Interaction.objects.visible_to(user).present()
    rows = seen.filter(direction="inbound").exclude(kind="visit")
    rows = rows.filter(_between("occurred_at", given, zone))
    if given.get("network"):
        rows = rows.filter(account__network=given["network"])
    if given.get("topic"):
        rows = rows.filter(topics__contains=[given["topic"]])
    if given.get("mood"):
        happy = given["mood"] == "happy"
        rows = rows.filter(sentiment__gte=0.05) if happy else rows.filter(sentiment__lte=-0.05)
    if given.get("persona"):
        rows = rows.filter(customer__persona_membership__persona=given["persona"])
    found: QuerySet[Interaction] = rows.select_related("account", "customer", "conversation")
    return found


def conversations(user: Any, given: dict[str, Any], zone: ZoneInfo) -> QuerySet[Conversation]:
    """Conversations by the day on which the customer first wrote, with how long the first answer took."""
    rows = Conversation.objects.visible_to(user).filter(first_inbound_at__isnull=False)
    rows = rows.filter(_between("first_inbound_at", given, zone))
    if given.get("network"):
        rows = rows.filter(account__network=given["network"])
    if given.get("persona"):
        rows = rows.filter(customer__persona_membership__persona=given["persona"])
    took = ExpressionWrapper(F("first_answered_at") - F("first_inbound_at"), output_field=DurationField())
    goal = ExpressionWrapper(
        F("account__reply_goal_minutes") * timedelta(minutes=1), output_field=DurationField()
    )
    rows = rows.annotate(took=took, goal=goal)
    if given.get("answered") == "in-time":
        rows = rows.filter(took__lte=F("goal"))
    elif given.get("answered") == "late":
        waiting = Q(took__isnull=True, first_inbound_at__lt=Now() - F("goal"))
        rows = rows.filter(Q(took__gt=F("goal")) | waiting)
    found: QuerySet[Conversation] = rows.select_related("account", "customer", "assignee")
    return found


def orders(given: dict[str, Any], zone: ZoneInfo) -> QuerySet[Order]:
    """Orders that count as purchases."""
    rows = Order.objects.paid().filter(_between("placed_at", given, zone))
    if given.get("persona"):
        rows = rows.filter(customer__persona_membership__persona=given["persona"])
    found: QuerySet[Order] = rows.select_related("customer")
    return found
