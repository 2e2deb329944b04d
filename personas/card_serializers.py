"""A persona's card over REST: what was measured, what people wrote, notes and links."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.api.fields import Input, Text
from core.api.schema import example
from personas.models import NotePart, Persona, PersonaNote, PersonaShare
from personas.serializers import PersonaOut
from personas.sharing import DAYS, share_url

MOODS = ("positive", "negative")


class CardBaseOut(serializers.Serializer[Any]):
    """Of how many the card tells. `drawn`: members whose words and habits were read."""

    customers = serializers.IntegerField()
    of = serializers.IntegerField()
    speakers = serializers.IntegerField()
    buyers = serializers.IntegerField()
    revenue_share = serializers.FloatField(allow_null=True)
    revenue_days = serializers.IntegerField(allow_null=True, help_text="null: the whole history")
    drawn = serializers.IntegerField()
    days = serializers.IntegerField()
    few = serializers.BooleanField(help_text="So few members that one of them can turn a share.")


class ValueShareOut(serializers.Serializer[Any]):
    """A value, how many customers have it, and of how many it is known."""

    value = serializers.CharField()
    n = serializers.IntegerField()
    share = serializers.FloatField()
    base = serializers.IntegerField()


class CardWhoOut(serializers.Serializer[Any]):
    """Who they are. `age_from` to `age_to` holds the middle half."""

    country = ValueShareOut(many=True)
    city = ValueShareOut(many=True)
    language = ValueShareOut(many=True)
    job = ValueShareOut(many=True)
    interest = ValueShareOut(many=True)
    stage = ValueShareOut(many=True)
    age_from = serializers.FloatField(allow_null=True)
    age_to = serializers.FloatField(allow_null=True)
    ages_known = serializers.IntegerField()
    age_known_share = serializers.FloatField()
    months_with_us = serializers.FloatField(allow_null=True)
    months_known = serializers.IntegerField()


class ReasonShareOut(serializers.Serializer[Any]):
    """A reason for contact, beside everybody's share."""

    reason = serializers.CharField()
    n = serializers.IntegerField()
    share = serializers.FloatField()
    all = serializers.FloatField()
    base = serializers.IntegerField()


class TopicShareOut(serializers.Serializer[Any]):
    """A topic of their interactions."""

    topic = serializers.CharField()
    n = serializers.IntegerField()
    share = serializers.FloatField()
    base = serializers.IntegerField()
    customers = serializers.IntegerField()


class QuoteOut(serializers.Serializer[Any]):
    """Their own words; names, handles and numbers stand as an ellipsis."""

    text = serializers.CharField()
    network = serializers.CharField()
    kind = serializers.CharField()
    rating = serializers.IntegerField(allow_null=True)
    mood = serializers.ChoiceField(choices=MOODS)


class ReplyOut(serializers.Serializer[Any]):
    """A reply of ours that was answered gladly, and after how many seconds it was sent."""

    text = serializers.CharField()
    network = serializers.CharField()
    kind = serializers.CharField()
    seconds = serializers.IntegerField(allow_null=True)


class RateOut(serializers.Serializer[Any]):
    """A share beside everybody's, and of how many."""

    rate = serializers.FloatField()
    all = serializers.FloatField(allow_null=True)
    base = serializers.IntegerField()


class AnswerRateOut(RateOut):
    """How often they answer our messages within a day, on one network."""

    network = serializers.CharField()
    customers = serializers.IntegerField()


class NetworkShareOut(serializers.Serializer[Any]):
    """A network's part of their interactions."""

    network = serializers.CharField()
    share = serializers.FloatField()
    n = serializers.IntegerField()
    customers = serializers.IntegerField()


class CardNetworksOut(serializers.Serializer[Any]):
    """Where they speak to us."""

    shares = NetworkShareOut(many=True)
    base = serializers.IntegerField()
    days = serializers.IntegerField()


class ContentShareOut(serializers.Serializer[Any]):
    """A kind or topic of posts they react to."""

    value = serializers.CharField()
    n = serializers.IntegerField()
    share = serializers.FloatField()
    all = serializers.FloatField()
    base = serializers.IntegerField()


class CardContentOut(serializers.Serializer[Any]):
    """To what they react."""

    media = ContentShareOut(many=True)
    topic = ContentShareOut(many=True)


class BestHourOut(serializers.Serializer[Any]):
    """One of the two fullest hours of the week; 1 is Monday."""

    weekday = serializers.IntegerField()
    hour = serializers.IntegerField()
    n = serializers.IntegerField()


class CardHoursOut(serializers.Serializer[Any]):
    """Touches by weekday (Monday first) and hour of their own time zone."""

    counts = serializers.ListField(child=serializers.ListField(child=serializers.IntegerField()))
    customers = serializers.ListField(child=serializers.ListField(child=serializers.IntegerField()))
    best = BestHourOut(many=True)
    base = serializers.IntegerField()
    days = serializers.IntegerField()


class FigureOut(serializers.Serializer[Any]):
    """A figure beside everybody's, and of how many it is known."""

    here = serializers.FloatField(allow_null=True)
    all = serializers.FloatField(allow_null=True)
    base = serializers.IntegerField()


class WorthOut(FigureOut):
    """Expected revenue in 365 days; for a typical member eight of ten cases lie between low and high."""

    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)


class CardValueOut(serializers.Serializer[Any]):
    """What they are worth, and what is at risk."""

    value_365 = WorthOut()
    active = FigureOut()
    average_order = FigureOut()
    gap_days = FigureOut()
    refund_share = FigureOut()
    complaint_share = FigureOut()
    sentiment = FigureOut()


class DifferenceOut(serializers.Serializer[Any]):
    """A trait in which they differ from everybody, in standard deviations of everybody."""

    trait = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    type = serializers.CharField()
    unit = serializers.CharField(allow_blank=True)
    value = serializers.CharField(allow_null=True, help_text="of a trait that is a word")
    here = serializers.FloatField()
    all = serializers.FloatField()
    times = serializers.FloatField(allow_null=True)
    effect = serializers.FloatField()
    base = serializers.IntegerField()


class MoveOut(serializers.Serializer[Any]):
    """How many came from, or left to, one other persona; null: none."""

    persona = serializers.IntegerField(allow_null=True)
    name = serializers.CharField()
    n = serializers.IntegerField()


class CardChangedOut(serializers.Serializer[Any]):
    """How they changed: members `weeks` ago, moves of the last `days`."""

    members_before = serializers.IntegerField()
    weeks = serializers.IntegerField()
    days = serializers.IntegerField()
    came = MoveOut(many=True)
    left = MoveOut(many=True)


class CardSegmentOut(serializers.Serializer[Any]):
    """A segment: part of the persona in it (`here`), part of it in the persona (`there`)."""

    segment = serializers.IntegerField()
    n = serializers.IntegerField()
    size = serializers.IntegerField()
    here = serializers.FloatField()
    there = serializers.FloatField()
    times = serializers.FloatField()


class CardOrganizationOut(serializers.Serializer[Any]):
    """An organization, its people in this persona, and its people."""

    organization = serializers.IntegerField()
    people = serializers.IntegerField()
    of = serializers.IntegerField()


class CardOut(serializers.Serializer[Any]):
    """What the last rebuild measured. Every share says its base."""

    base = CardBaseOut()
    who = CardWhoOut()
    reasons = ReasonShareOut(many=True)
    topics = TopicShareOut(many=True)
    hurts = TopicShareOut(many=True)
    quotes = QuoteOut(many=True)
    complaints = QuoteOut(many=True)
    glad = QuoteOut(many=True)
    networks = CardNetworksOut()
    content = CardContentOut()
    answers = AnswerRateOut(many=True)
    replies = ReplyOut(many=True)
    replied = RateOut(allow_null=True)
    hours = CardHoursOut()
    value = CardValueOut()
    apart = DifferenceOut(many=True)
    changed = CardChangedOut()
    segments = CardSegmentOut(many=True)
    organizations = CardOrganizationOut(many=True)


class PersonaNoteOut(serializers.ModelSerializer[PersonaNote]):
    """What research found or somebody assumes about one part of the card."""

    is_assumed = serializers.BooleanField(help_text="Nobody named where it comes from.")

    class Meta:
        model = PersonaNote
        fields = ("id", "persona", "part", "text", "source", "source_url", "is_assumed", "by", "at")


class PersonaCardOut(PersonaOut):
    """A persona with its card: what people wrote, and what was measured; `card` is null before a rebuild."""

    card = serializers.SerializerMethodField()
    notes = PersonaNoteOut(many=True)

    class Meta(PersonaOut.Meta):
        fields = (  # type: ignore[assignment]
            *PersonaOut.Meta.fields, "suggested_name", "named_by_hand", "segment", "summary", "goals",
            "motivations", "pains", "how_to_speak", "edits", "edited_by", "edited_at", "notes", "card",
        )  # fmt: skip

    @extend_schema_field(CardOut(allow_null=True))
    def get_card(self, persona: Persona) -> Any:
        """The card, unless it is of an earlier shape: the next rebuild writes it anew."""
        known = set(CardOut().fields)
        return CardOut(persona.card).data if known <= set(persona.card) else None


class PersonaShareOut(serializers.ModelSerializer[PersonaShare]):
    """A link to a card; `url` is empty once it has ended."""

    url = serializers.SerializerMethodField()
    is_open = serializers.SerializerMethodField()

    class Meta:
        model = PersonaShare
        fields = (
            "id", "persona", "label", "url", "is_open", "by", "created_at", "expires_at", "revoked_at",
            "seen", "last_seen_at",
        )  # fmt: skip

    def get_url(self, share: PersonaShare) -> str:
        return share_url(share) if self.get_is_open(share) else ""

    def get_is_open(self, share: PersonaShare) -> bool:
        return share.revoked_at is None and share.expires_at > self.context["now"]


# In


@example("Goals", {"goals": "One careful cup\nParts that last", "edits": 3})
class PersonaChanges(Input):
    """What people write; what is left out stays. `edits` as read: another state is refused."""

    edits = serializers.IntegerField(min_value=0, max_value=2**31 - 1)
    name = Text(required=False, max_length=120)
    icon = Text(required=False, max_length=40)
    summary = Text(required=False, allow_blank=True, max_length=600)
    goals = Text(required=False, allow_blank=True, max_length=2000, help_text="One a line.")
    motivations = Text(required=False, allow_blank=True, max_length=2000, help_text="One a line.")
    pains = Text(required=False, allow_blank=True, max_length=2000, help_text="One a line.")
    how_to_speak = Text(
        required=False, allow_blank=True, max_length=2000, help_text="One a line; a line with - is a don't."
    )
    rank = serializers.IntegerField(required=False, min_value=0, max_value=32767)


@example(
    "From interviews",
    {
        "part": "who",
        "text": "Most live in flats with one bright window.",
        "source": "Eleven visits, May 2026",
    },
)
class PersonaNoteIn(Input):
    """A note; without a source it is assumed."""

    part = serializers.ChoiceField(choices=NotePart.choices)
    text = Text(max_length=500)
    source = Text(required=False, allow_blank=True, max_length=200)  # type: ignore[assignment]
    source_url = serializers.URLField(required=False, allow_blank=True, max_length=500)


@example("With its source", {"text": "Most live in flats.", "source": "Eleven visits, May 2026"})
class PersonaNoteChanges(Input):
    """A note written anew."""

    text = Text(max_length=500)
    source = Text(required=False, allow_blank=True, max_length=200)  # type: ignore[assignment]
    source_url = serializers.URLField(required=False, allow_blank=True, max_length=500)


@example("For the agency", {"label": "The agency", "days": 30})
class PersonaShareIn(Input):
    """A new link, and for how long it opens."""

    label = Text(required=False, allow_blank=True, max_length=120)  # type: ignore[assignment]
    days = serializers.ChoiceField(choices=DAYS)
