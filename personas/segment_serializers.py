"""How picks, changes and days of segments are read and written over the API."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from core.api.fields import Input
from personas.models import SegmentChange, SegmentPick
from personas.picking import MOST


class PickOut(serializers.ModelSerializer[SegmentPick]):
    """Somebody put in or left out by hand, which counts before the rule."""

    name = serializers.CharField(source="customer.name")

    class Meta:
        model = SegmentPick
        fields = ("customer", "name", "is_in", "by", "at")


class ChangeOut(serializers.ModelSerializer[SegmentChange]):
    """Somebody entered or left."""

    name = serializers.CharField(source="customer.name")

    class Meta:
        model = SegmentChange
        fields = ("customer", "name", "entered", "version", "at")


class SegmentDayOut(serializers.Serializer[Any]):
    """One local day of a segment."""

    day = serializers.DateField()
    size = serializers.IntegerField(allow_null=True, help_text="Null where nothing was counted that day.")
    entered = serializers.IntegerField()
    left = serializers.IntegerField()


@extend_schema_serializer(
    examples=[OpenApiExample("Put two in", {"customers": [17, 23], "is_in": True}, request_only=True)]
)
class PicksIn(Input):
    """Whom to put in, or to leave out."""

    customers = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**63 - 1), allow_empty=False, max_length=MOST
    )
    is_in = serializers.BooleanField(required=False, default=True, help_text="False leaves them out.")


class PickedOut(serializers.Serializer[Any]):
    """How many of the customers named there are, and how many the segment has now."""

    customers = serializers.IntegerField()
    size = serializers.IntegerField()
