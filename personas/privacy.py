"""What was made of a person: told to them in an export, and taken out of persona cards in an erasure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from core import privacy
from core.conditions import Explained
from core.privacy import Erasing, Section, Subject
from crm.models import Customer
from crm.privacy.words import Quotations
from engagement.models import Interaction
from personas.cards import without_names
from personas.cards.holding import hold_cards
from personas.membership_reasons import reasons_for
from personas.models import ModelCard, Persona, PersonaMembership, Prediction, SegmentMembership, Traits
from personas.traits.catalogue import CATALOGUE

LEAST_QUOTE, LONGEST_QUOTE = 30, 220
"""Letters of what may stand on a card (`sql/card_quotes.sql`)."""
TEXTS_ON_CARDS = ("quotes", "complaints", "glad", "replies")
"""Parts of a card that hold what somebody wrote."""


def erase_quotes(erasing: Erasing) -> None:
    """Take their words off the persona cards; the next rebuild finds others."""
    erasing.count(Persona, drop_quotes(erasing.subject.customers))


@transaction.atomic
def drop_quotes(customers: Sequence[int]) -> int:
    """Take what these customers said, and what was answered to them, off every card; how many lost any."""
    hold_cards()
    is_theirs = _recognizer(customers)
    written = 0
    for persona in Persona.objects.exclude(card={}):
        shown = {part: persona.card.get(part, []) for part in TEXTS_ON_CARDS}
        kept = {part: [one for one in texts if not is_theirs(one)] for part, texts in shown.items()}
        if kept != shown:
            card = {**persona.card, **kept}
            written += Persona.objects.filter(pk=persona.pk).update(card=card, card_at=None)
    return written


def _recognizer(customers: Sequence[int]) -> Callable[[dict[str, Any]], bool]:
    """Tells whether a text on a card is from a conversation of theirs, or repeats what they said.

    The first by the interaction that the card names, the second by words, for whoever copied them; on a
    card, names and numbers stand as an ellipsis.
    """
    rows = Interaction.objects.filter(customer_id__in=customers).order_by()
    texts = [text for text in rows.values_list("text", flat=True).iterator() if len(text) >= LEAST_QUOTE]
    quotations = Quotations(texts)
    names = ["", *Customer.objects.filter(pk__in=customers).values_list("name", flat=True)]
    shown = {without_names(text, name) for text in texts if len(text) <= LONGEST_QUOTE for name in names}
    theirs = _said_with(customers)

    def is_theirs(one: dict[str, Any]) -> bool:
        text = str(one.get("text", ""))
        repeated = any(quotations.repeats(part) for part in [text, *text.split("…")])
        return one.get("said") in theirs or text in shown or repeated

    return is_theirs


def _said_with(customers: Sequence[int]) -> set[int]:
    """Interactions on cards that these customers wrote, or that answer them."""
    on_cards = {
        one.get("said")
        for card in Persona.objects.exclude(card={}).values_list("card", flat=True)
        for part in TEXTS_ON_CARDS
        for one in card.get(part, [])
    } - {None}
    theirs = Q(customer_id__in=customers) | Q(conversation__customer_id__in=customers)
    return set(Interaction.objects.filter(theirs, pk__in=on_cards).order_by().values_list("pk", flat=True))


def persona(subject: Subject) -> Section:
    """The persona, how surely, and why."""
    found = PersonaMembership.objects.filter(customer_id__in=subject.customers).select_related("persona")
    rows = [
        {
            "persona": one.persona.name,
            "confidence": one.confidence,
            "reasons": one.reasons,
            "since": one.since.isoformat(),
        }
        for one in found
    ]
    note = _("A group of customers with similar habits, computed every night. Confidence goes from 0 to 1.")
    return Section("persona", _("The persona we put them in, and why"), rows, note)


def predictions(subject: Subject) -> Section:
    """What we expect of them, and how each figure was found."""
    found = Prediction.objects.filter(customer_id__in=subject.customers)
    rows = [
        {
            "still_a_customer": one.active_probability,
            "orders_next_365_days": one.orders_365,
            "value_next_365_days": one.value_365,
            "value_at_least": one.value_low,
            "value_at_most": one.value_high,
            "best_network": one.best_network,
            "best_network_rate": one.best_network_rate,
            "best_hour": one.best_hour,
            "rests_on_messages": one.base,
            "answers_a_survey": one.survey_probability,
            "next_category": one.next_category,
            "next_category_share": one.next_category_share,
            "computed_at": one.computed_at.isoformat(),
        }
        for one in found
    ]
    note = " ".join(card.explanation for card in ModelCard.objects.order_by("name") if card.explanation)
    return Section("predictions", _("What we expect of them"), rows, note)


def traits(subject: Subject) -> Section:
    """Every computed fact with what it means."""
    found = Traits.objects.filter(customer_id__in=subject.customers)
    rows = [
        {"fact": trait.label, "value": getattr(one, trait.name), "meaning": trait.description}
        for one in found
        for trait in CATALOGUE
        if getattr(one, trait.name) not in (None, "")
    ]
    return Section("traits", _("Facts we computed"), rows)


def segments(subject: Subject) -> Section:
    """The segments they are in, each condition with the value it looked at."""
    found = SegmentMembership.objects.filter(customer_id__in=subject.customers).select_related("segment")
    rows = [
        {
            "segment": one.segment.name,
            "description": one.segment.description,
            "since": one.since.isoformat(),
            "why": _why(one),
        }
        for one in found
    ]
    return Section("segments", _("Segments they are in, and why"), rows)


def _why(membership: SegmentMembership) -> list[str]:
    reasons = reasons_for(membership.segment, membership.customer_id)
    by_hand = [_("Put in by hand")] if reasons.pick and reasons.pick.is_in else []
    return [*by_hand, *(_sentences(reasons.rule) if reasons.rule else [])]


def _sentences(node: Explained) -> Iterator[str]:
    if node.children:
        for child in node.children:
            yield from _sentences(child)
    elif node.holds:
        yield f"{node.text} ({node.found})" if node.found else node.text


def told_elsewhere(customers: Sequence[int]) -> Sequence[dict[str, Any]]:
    """For tables that a part of their own tells in words."""
    return []


def register() -> None:
    """Add the parts of an export, and what an erasure does to cards."""
    privacy.register_eraser("quotes", erase_quotes, order=10)
    for order, (name, exporter) in enumerate(
        (("persona", persona), ("predictions", predictions), ("segments", segments), ("traits", traits))
    ):
        privacy.register_export(name, exporter, order=60 + order)
