"""What people write on a persona, notes and links over the REST API."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.urls import re_path
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.callers import caller
from accounts.permissions import Requires
from core.api.endpoints import PAGING, Endpoint
from core.api.fields import checked, refuse_fields
from core.api.refusals import Conflict
from core.paging import Sort, asc, desc
from personas import authoring, sharing
from personas.authoring import ChangedMeanwhile
from personas.card_serializers import (
    PersonaCardOut,
    PersonaChanges,
    PersonaNoteChanges,
    PersonaNoteIn,
    PersonaNoteOut,
    PersonaShareIn,
    PersonaShareOut,
)
from personas.models import Persona, PersonaNote, PersonaShare

PERSONA_ID = OpenApiParameter("id", OpenApiTypes.INT, OpenApiParameter.PATH)
BY_ID = {"id": Sort(asc("pk")), "-id": Sort(desc("pk"))}


class CardWords:
    """Changes what people wrote: a part of the endpoint of personas."""

    @extend_schema(
        summary="Change what people wrote on a persona",
        description=(
            "Send `edits` as it was read; 409 `changed_meanwhile` where somebody changed the card since. "
            "No rebuild writes over it."
        ),
        request=PersonaChanges,
        responses=PersonaCardOut,
    )
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        words = checked(PersonaChanges, request)
        seen = words.pop("edits")
        persona = self.get_object()  # type: ignore[attr-defined]
        try:
            changed = authoring.edit_persona(persona=persona, words=words, seen=seen, by=caller(request))
        except ChangedMeanwhile as error:
            raise Conflict(" ".join(error.messages), code="changed_meanwhile") from error
        return Response(PersonaCardOut(changed).data)


class _OfPersona(Endpoint):
    """Something that belongs to the persona of the address."""

    def persona(self) -> Persona:
        """The persona, of today or of an earlier model."""
        found: Persona = get_object_or_404(Persona, pk=self.kwargs["pk"])
        return found


@extend_schema(tags=["personas"], parameters=[PERSONA_ID])
class NotesOfPersona(ListModelMixin, _OfPersona):
    """Notes on one card."""

    permission_classes = (Requires("persona.read", write="persona.edit"),)
    queryset = PersonaNote.objects.none()
    serializer_class = PersonaNoteOut
    sorts = BY_ID
    default_sort = "id"
    parameters: ClassVar = {"list": PAGING}

    def get_queryset(self) -> QuerySet[PersonaNote]:
        return PersonaNote.objects.filter(persona=self.persona())

    @extend_schema(
        operation_id="personas_notes_list",
        summary="List the notes on a card",
        description="The oldest first.",
    )
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().list(request, *args, **kwargs)

    @extend_schema(
        operation_id="personas_notes_create",
        summary="Write a note on a card",
        description="What research found, with its source; without one it is marked as assumed.",
        request=PersonaNoteIn,
        responses={201: PersonaNoteOut},
    )
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        persona, given = self.persona(), checked(PersonaNoteIn, request)
        note = authoring.add_note(persona=persona, **given, by=caller(request))
        return Response(PersonaNoteOut(note).data, status=status.HTTP_201_CREATED)


@extend_schema(tags=["personas"])
@extend_schema_view(retrieve=extend_schema(summary="Get a note on a card", description="With its source."))
class PersonaNoteEndpoint(RetrieveModelMixin, Endpoint):
    """One note."""

    permission_classes = (Requires("persona.read", write="persona.edit"),)
    serializer_class = PersonaNoteOut

    def get_queryset(self) -> QuerySet[PersonaNote]:
        return PersonaNote.objects.select_related("persona")

    @extend_schema(
        summary="Write a note anew",
        description="It is then by whoever wrote it last.",
        request=PersonaNoteChanges,
        responses=PersonaNoteOut,
    )
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        note, given = self.get_object(), checked(PersonaNoteChanges, request)
        return Response(PersonaNoteOut(authoring.edit_note(note=note, **given, by=caller(request))).data)

    @extend_schema(summary="Delete a note", description="It goes off the card.", responses={204: None})
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        authoring.delete_note(note=self.get_object(), by=caller(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


@extend_schema(tags=["personas"], parameters=[PERSONA_ID])
class SharesOfPersona(ListModelMixin, _OfPersona):
    """Links to one card."""

    permission_classes = (Requires("persona.share"),)
    queryset = PersonaShare.objects.none()
    serializer_class = PersonaShareOut
    sorts = BY_ID
    default_sort = "-id"
    parameters: ClassVar = {"list": PAGING}
    conflicts = frozenset({"create"})

    def get_queryset(self) -> QuerySet[PersonaShare]:
        return PersonaShare.objects.filter(persona=self.persona())

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "now": timezone.now()}

    @extend_schema(
        operation_id="personas_shares_list",
        summary="List the links to a card",
        description="The newest first; ended ones too, without their address.",
    )
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().list(request, *args, **kwargs)

    @extend_schema(
        operation_id="personas_shares_create",
        summary="Make a link to a card",
        description=(
            "Whoever has `url` reads the card without an account, until it expires or is revoked: without "
            "customers, quotes, replies, colleagues, segments and organizations. 409 `too_few` for a persona "
            "of fewer than ten customers or of an earlier model, `too_many` for more than fifty open links."
        ),
        request=PersonaShareIn,
        responses={201: PersonaShareOut},
    )
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        persona, given = self.persona(), checked(PersonaShareIn, request)
        try:
            share = sharing.share_persona(persona=persona, **given, by=caller(request))
        except DjangoValidationError as error:
            raise Conflict(
                " ".join(error.messages), code=getattr(error, "code", None) or "conflict"
            ) from error
        told = PersonaShareOut(share, context=self.get_serializer_context())
        return Response(told.data, status=status.HTTP_201_CREATED)


@extend_schema(tags=["personas"])
class PersonaShareEndpoint(Endpoint):
    """One link."""

    permission_classes = (Requires("persona.share"),)
    serializer_class = PersonaShareOut

    def get_queryset(self) -> QuerySet[PersonaShare]:
        return PersonaShare.objects.select_related("persona")

    @extend_schema(
        operation_id="persona_shares_revoke",
        summary="Revoke a link",
        description="It ends at once; ending it twice changes nothing.",
        request=None,
        parameters=[PERSONA_ID],
        responses=PersonaShareOut,
    )
    def revoke(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        refuse_fields(request)
        share = sharing.revoke_share(share=self.get_object(), by=caller(request))
        return Response(PersonaShareOut(share, context={"now": timezone.now()}).data)


_ID = r"(?P<pk>[0-9]{1,19})"
urls = [
    re_path(
        rf"^personas/{_ID}/notes/$",
        NotesOfPersona.as_view({"get": "list", "post": "create"}),
        name="persona-notes",
    ),
    re_path(
        rf"^persona-notes/{_ID}/$",
        PersonaNoteEndpoint.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
        name="persona-note-detail",
    ),
    re_path(
        rf"^personas/{_ID}/shares/$",
        SharesOfPersona.as_view({"get": "list", "post": "create"}),
        name="persona-shares",
    ),
    re_path(
        rf"^persona-shares/{_ID}/revoke/$",
        PersonaShareEndpoint.as_view({"post": "revoke"}),
        name="persona-share-revoke",
    ),
]
