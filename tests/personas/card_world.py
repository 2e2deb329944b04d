"""What tests of cards are made of: members of a persona, what they say, and what we answer."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from accounts.models import Team
from crm.models import Customer
from engagement.models import ChannelAccount, Conversation, Interaction
from personas.cards import refresh_cards
from personas.models import CustomerDay, Persona, PersonaMembership, Traits

TODAY = date(2026, 3, 2)
NOW = datetime(2026, 3, 2, 5, tzinfo=UTC)

ASKED = ("inbound", "Where is my parcel?", {"reason": "question", "sentiment": 0.0})
UNHAPPY = ("inbound", "That is no answer at all", {"reason": "complaint", "sentiment": -0.7})
THANKS = ("inbound", "Thank you, that is lovely of you", {"reason": "praise", "sentiment": 0.8})


def member(persona: Persona, confidence: float = 0.9, **traits: Any) -> Customer:
    made = Customer.objects.create(
        name="Some Body", country=traits.pop("lives", "BE"), job="Teaching", stage="retention"
    )
    Traits.objects.create(customer=made, computed_at=NOW, **traits)
    PersonaMembership.objects.create(customer=made, persona=persona, confidence=confidence, since=NOW)
    return made


def refresh(**more: Any) -> dict[str, int]:
    return refresh_cards(today=TODAY, zone="UTC", now=NOW, everything=more.get("everything", True))


def say(who: Customer, at: datetime, text: str, **more: Any) -> None:
    team, _made = Team.objects.get_or_create(is_general=True, defaults={"name": "General"})
    account, _made = ChannelAccount.objects.get_or_create(
        connector="api", network="instagram", external_id="shop", defaults={"name": "Shop", "team": team}
    )
    number = Interaction.objects.count()
    owner = {"customer": who, "home_customer": who}
    conversation = Conversation.objects.create(account=account, team=team, first_at=at, last_at=at, **owner)
    Interaction.objects.create(
        account=account, team=team, conversation=conversation, external_id=str(number), kind="message",
        direction="inbound", occurred_at=at, text=text, reader=1, **owner, **more,
    )  # fmt: skip
    day, _new = CustomerDay.objects.get_or_create(
        customer=who,
        day=at.date(),
        network="instagram",
        kind="message",
        direction="inbound",
        defaults={"n": 0},
    )
    CustomerDay.objects.filter(pk=day.pk).update(n=day.n + 1)


def talk(who: Customer, *lines: tuple[str, str, dict[str, Any]], days: int = 10) -> Conversation:
    """A conversation, line after line an hour apart: (direction, text, more)."""
    begun = NOW - timedelta(days=days)
    say(who, begun, lines[0][1], **lines[0][2])
    first = Interaction.objects.order_by("-pk")[0]
    conversation = first.conversation
    for hours, (direction, text, more) in enumerate(lines[1:], start=1):
        at = begun + timedelta(hours=more.pop("after", hours))
        owner = (
            {"customer": who, "home_customer": who} if direction == "inbound" else {"staff_name": "Amy Stone"}
        )
        Interaction.objects.create(
            account=first.account, team=first.team, conversation=conversation, kind="message", reader=1,
            external_id=f"{first.pk}-{hours}", direction=direction, occurred_at=at, text=text,
            **{**owner, **more},
        )  # fmt: skip
        Conversation.objects.filter(pk=conversation.pk).update(last_at=at)
    return conversation


def answer(text: str, **more: Any) -> tuple[str, str, dict[str, Any]]:
    return ("outbound", text, more)
