"""How segments and personas are read and written over the API."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from core.api.fields import Input, Text
from core.conditions import Explained, RuleInvalid, fieldset, sentence
from personas.building import customer_rule
from personas.models import Persona, PersonaMembership, Segment, SegmentKind, SegmentMembership

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
    """A rule, or a list by hand, and how many customers are in.

    Members belong to `built_version` of the rule; while `version` is greater, they are being counted again.
    """

    class Meta:
        model = Segment
        fields = (
            "id", "name", "description", "kind", "version", "built_version", "built_at", "build_seconds",
            "size", "is_frozen", "error", "created_by", "created_at",
        )  # fmt: skip


class SegmentDetailOut(SegmentOut):
    """A segment with its rule, which is also said as a sentence."""

    rule = serializers.DictField()
    sentence = serializers.SerializerMethodField()

    class Meta(SegmentOut.Meta):
        fields = (*SegmentOut.Meta.fields, "rule", "sentence")  # type: ignore[assignment]

    def get_sentence(self, segment: Segment) -> str:
        if segment.kind == SegmentKind.LIST:
            return ""
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
    size = serializers.IntegerField(help_text="How many the other one has in all.")


class CountOut(serializers.Serializer[Any]):
    """How many customers; `margin` is half the width of the 95 % interval, 0 where they were counted."""

    customers = serializers.IntegerField()
    margin = serializers.IntegerField()


class PreviewOut(serializers.Serializer[Any]):
    """What a rule finds at this moment."""

    customers = serializers.IntegerField(help_text="How many it finds.")
    margin = serializers.IntegerField(
        help_text="Half the width of the 95 % interval; 0 where they were counted."
    )
    is_exact = serializers.BooleanField()
    base = serializers.IntegerField(help_text="How many customers were looked at.")
    total = serializers.IntegerField(help_text="Of how many.")
    leaves = CountOut(
        many=True,
        help_text="What each condition finds alone, in reading order; empty where only all was counted.",
    )
    sentence = serializers.CharField()
    seconds = serializers.FloatField()
    sample = serializers.ListField(
        child=serializers.IntegerField(), help_text="Ids of some customers; empty in a first answer."
    )
    overlaps = OverlapOut(many=True, help_text="Empty in a first answer.")


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
    since = serializers.DateTimeField(allow_null=True, help_text="Since when, as last built.")
    picked = serializers.BooleanField(
        allow_null=True, help_text="True: put in by hand; false: left out by hand; null: nobody decided."
    )
    belongs = serializers.BooleanField(help_text="By hand, else by the rule and the data of this moment.")
    holds = serializers.BooleanField(help_text="By the rule and the data of this moment alone.")
    why = ExplainedOut(allow_null=True, help_text="Null for a list by hand.")


class PersonaOut(serializers.ModelSerializer[Persona]):
    """An archetype of customers. `is_rule`: a plain rule, used while there is too little data; `segment`:
    made by hand, and its members are those of that segment."""

    class Meta:
        model = Persona
        fields = (
            "id", "name", "icon", "tone", "is_rule", "segment", "rank", "is_active", "members", "share",
            "reliability", "fit", "border_share", "created_at", "card_at",
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
    kind = serializers.ChoiceField(
        choices=SegmentKind.choices, required=False, default=SegmentKind.RULE, help_text="A list has no rule."
    )
    rule = rule_field(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """A segment by rule needs one."""
        if attrs["kind"] == SegmentKind.RULE and "rule" not in attrs:
            raise serializers.ValidationError(
                {"rule": [serializers.ErrorDetail("This field is required.", code="required")]}
            )
        return attrs


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
    first = serializers.BooleanField(
        required=False,
        default=False,
        help_text="Answer at once: from a sample where counting takes long, with a margin, without people.",
    )


@extend_schema_serializer(examples=[OpenApiExample("As every night", {}, request_only=True)])
class RebuildIn(Input):
    """What the rebuild should do."""

    full = serializers.BooleanField(
        required=False, help_text="Compute every customer again, not only those that changed."
    )
    refit = serializers.BooleanField(required=False, help_text="Find the personas anew.")
