"""How segments and personas are read and written over the API."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from core.api.fields import Input, Text
from core.conditions import Explained, RuleInvalid, fieldset, sentence
from personas.building import customer_rule
from personas.models import Persona, PersonaMembership, Segment, SegmentMembership

RULE = {
    "all": [
        {"field": "traits.orders_total", "op": "gte", "value": 3},
        {"event": {"what": "interaction", "network": "email"}, "op": "at_least", "count": 1, "days": 90},
    ]
}
OVERLAP_KINDS = ("segment", "persona")
NODE_KINDS = ("all", "any", "not", "condition")


# Out


class SegmentOut(serializers.ModelSerializer[Segment]):
    """A rule and how many customers it finds.

    Members belong to `built_version` of the rule; while `version` is greater, they are being counted again.
    """

    class Meta:
        model = Segment
        fields = (
            "id", "name", "description", "version", "built_version", "built_at", "size", "is_frozen", "error",
            "created_by", "created_at",
        )  # fmt: skip


class SegmentDetailOut(SegmentOut):
    """A segment with its rule, which is also said as a sentence."""

    rule = serializers.DictField()
    sentence = serializers.SerializerMethodField()

    class Meta(SegmentOut.Meta):
        fields = (*SegmentOut.Meta.fields, "rule", "sentence")  # type: ignore[assignment]

    def get_sentence(self, segment: Segment) -> str:
        try:
            return sentence(customer_rule(segment.rule), fieldset("customer"))
        except RuleInvalid:
            # Something that the rule asks about is gone; `error` says what.
            return ""


class SegmentMemberOut(serializers.ModelSerializer[SegmentMembership]):
    """A customer in a segment, and since when."""

    name = serializers.CharField(source="customer.name")

    class Meta:
        model = SegmentMembership
        fields = ("customer", "name", "since")


class OverlapOut(serializers.Serializer[Any]):
    """How many of the found customers are also in another segment or persona."""

    kind = serializers.ChoiceField(choices=OVERLAP_KINDS)
    id = serializers.IntegerField()
    name = serializers.CharField()
    customers = serializers.IntegerField()


class PreviewOut(serializers.Serializer[Any]):
    """What a rule finds at this moment."""

    customers = serializers.IntegerField(help_text="How many it finds.")
    total = serializers.IntegerField(help_text="Of how many.")
    leaves = serializers.ListField(
        child=serializers.IntegerField(), help_text="How many each condition finds alone, in reading order."
    )
    sentence = serializers.CharField()
    seconds = serializers.FloatField()
    sample = serializers.ListField(child=serializers.IntegerField(), help_text="Ids of some customers.")
    overlaps = OverlapOut(many=True)


@extend_schema_field({"type": "array", "items": {"$ref": "#/components/schemas/Explained"}})
class _Children(serializers.Field[Any, Any, Any, Any]):
    def to_representation(self, value: Any) -> Any:
        return ExplainedOut(value, many=True).data


@extend_schema_serializer(component_name="Explained")
class ExplainedOut(serializers.Serializer[Explained]):
    """One node of a rule for one customer: whether it holds, and the value it looked at."""

    kind = serializers.ChoiceField(choices=NODE_KINDS)
    text = serializers.CharField()
    holds = serializers.BooleanField()
    found = serializers.CharField(allow_null=True)
    children = _Children()


class WhyOut(serializers.Serializer[Any]):
    """Why a customer is in a segment, or not."""

    customer = serializers.IntegerField()
    is_member = serializers.BooleanField(help_text="As last built.")
    holds = serializers.BooleanField(help_text="By the rule and the data of this moment.")
    why = ExplainedOut()


class PersonaOut(serializers.ModelSerializer[Persona]):
    """An archetype of customers. `is_rule`: a plain rule, used while there is too little data."""

    class Meta:
        model = Persona
        fields = (
            "id", "name", "icon", "is_rule", "rank", "is_active", "members", "share", "reliability", "fit",
            "border_share", "created_at", "card_at",
        )  # fmt: skip


class PersonaMemberOut(serializers.ModelSerializer[PersonaMembership]):
    """A customer of a persona: how surely, and why."""

    name = serializers.CharField(source="customer.name")
    reasons = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = PersonaMembership
        fields = ("customer", "name", "confidence", "reasons", "since")


class OwnPersonaOut(serializers.ModelSerializer[PersonaMembership]):
    """The persona of a customer."""

    id = serializers.IntegerField(source="persona.pk")
    name = serializers.CharField(source="persona.name")
    reasons = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = PersonaMembership
        fields = ("id", "name", "confidence", "reasons", "since")


class OwnSegmentOut(serializers.ModelSerializer[SegmentMembership]):
    """A segment that a customer is in."""

    id = serializers.IntegerField(source="segment.pk")
    name = serializers.CharField(source="segment.name")

    class Meta:
        model = SegmentMembership
        fields = ("id", "name", "since")


class MembershipsOut(serializers.Serializer[Any]):
    """Where a customer belongs."""

    customer = serializers.IntegerField()
    persona = OwnPersonaOut(allow_null=True)
    segments = OwnSegmentOut(many=True)


# In


def rule_field(**options: Any) -> serializers.JSONField:
    """A rule; what is wrong in it is told by its own parser, with the path."""
    return serializers.JSONField(help_text="A rule; `GET /segments/fields/` says what it can ask.", **options)


@extend_schema_serializer(
    examples=[OpenApiExample("Regulars", {"name": "Regulars by mail", "rule": RULE}, request_only=True)]
)
class SegmentIn(Input):
    """A new segment."""

    name = Text(max_length=120)
    description = Text(required=False, allow_blank=True, max_length=2000)
    rule = rule_field()


@extend_schema_serializer(examples=[OpenApiExample("Another rule", {"rule": RULE}, request_only=True)])
class SegmentChanges(Input):
    """What to change; what is left out stays. Another rule is another version."""

    name = Text(required=False, max_length=120)
    description = Text(required=False, allow_blank=True, max_length=2000)
    rule = rule_field(required=False)
    is_frozen = serializers.BooleanField(required=False, help_text="A frozen segment keeps its members.")


@extend_schema_serializer(examples=[OpenApiExample("A rule", {"rule": RULE}, request_only=True)])
class PreviewIn(Input):
    """A rule to be tried."""

    rule = rule_field()


@extend_schema_serializer(examples=[OpenApiExample("As every night", {}, request_only=True)])
class RebuildIn(Input):
    """What the rebuild should do."""

    full = serializers.BooleanField(
        required=False, help_text="Compute every customer again, not only those that changed."
    )
    refit = serializers.BooleanField(required=False, help_text="Find the personas anew.")
