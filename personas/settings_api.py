"""By which habits personas are found, and how many there are to be, over the REST API."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.callers import caller
from accounts.permissions import Requires
from core.api.endpoints import Endpoint
from core.api.fields import Input, Text, checked
from core.api.schema import example
from personas import proposals
from personas.models import PersonaSettings

MOST_NAMES = 100


class HabitOut(serializers.Serializer[Any]):
    """A habit that personas can be found by."""

    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    more = serializers.CharField(help_text="What a high value tells.")
    less = serializers.CharField(help_text="What a low value tells.")
    caution = serializers.CharField(help_text="Why it is not used by default; empty where it is.")
    is_default = serializers.BooleanField(help_text="It is used where nobody has chosen.")
    is_chosen = serializers.BooleanField(help_text="The next fit goes by it.")
    is_used = serializers.BooleanField(help_text="The model that waits, or else the current one, has it.")
    known = serializers.IntegerField(
        allow_null=True, help_text="Customers of whom that model knew it; null where it was not asked for."
    )
    of = serializers.IntegerField(allow_null=True, help_text="All customers of that model, if any.")


class PersonaSettingsOut(serializers.Serializer[Any]):
    """How personas are found."""

    features = serializers.ListField(
        child=serializers.CharField(), help_text="Names of the habits the next fit goes by."
    )
    is_default = serializers.BooleanField(help_text="Nobody has chosen other habits than the default ones.")
    is_finest = serializers.BooleanField(
        help_text="As many personas as hold still; else as many as lie clearly apart."
    )
    chosen_by = serializers.IntegerField(allow_null=True, help_text="Who chose the habits.")
    chosen_at = serializers.DateTimeField(allow_null=True, help_text="null: the default ones")
    habits = HabitOut(many=True, help_text="All that are offered.")


@example("Two habits", {"features": ["public_share", "evening_share"], "is_finest": True})
class PersonaSettingsChanges(Input):
    """What to choose; what is left out stays."""

    features = serializers.ListField(
        child=Text(max_length=60),
        required=False,
        max_length=MOST_NAMES,
        help_text="Names of at least two habits, as `habits` lists them; an empty list for the default ones.",
    )
    is_finest = serializers.BooleanField(
        required=False, help_text="As many personas as hold still, also where they do not lie apart."
    )


@extend_schema(tags=["personas"])
class PersonaSettingsEndpoint(Endpoint):
    """How personas are found: there is one of it."""

    permission_classes = (Requires("persona.read", write="persona.edit"),)

    @extend_schema(
        operation_id="persona_settings_retrieve",
        summary="Get how personas are found",
        description=(
            "The habits that are chosen, all that are offered, and whether personas must lie apart. Nothing "
            "else is ever a habit: docs/personas.md says what is left out and why."
        ),
        responses=PersonaSettingsOut,
    )
    def retrieve(self, request: Request) -> Response:
        return Response(_told(proposals.persona_settings()))

    @extend_schema(
        operation_id="persona_settings_partial_update",
        summary="Choose how personas are found",
        description=(
            "Personas stay as they are: `POST /persona-models/` finds them by what is chosen, and what it "
            "finds waits to be taken."
        ),
        request=PersonaSettingsChanges,
        responses=PersonaSettingsOut,
    )
    def partial_update(self, request: Request) -> Response:
        given = checked(PersonaSettingsChanges, request)
        chosen = proposals.choose(
            features=given.get("features"), finest=given.get("is_finest"), by=caller(request)
        )
        return Response(_told(chosen))


def _told(wanted: PersonaSettings) -> Any:
    model = proposals.waiting() or proposals.current()
    habits = proposals.habits_offered(model, wanted)
    is_default = not wanted.features
    told = {
        "features": [one["name"] for one in habits if one["is_chosen"]],
        "is_default": is_default,
        "is_finest": wanted.is_finest,
        "chosen_by": None if is_default else wanted.changed_by_id,
        "chosen_at": None if is_default else wanted.changed_at,
        "habits": habits,
    }
    return PersonaSettingsOut(told).data
