"""Interactions and conversations over the REST API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import Prefetch, QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.callers import caller
from accounts.models import User
from accounts.permissions import Requires, RightMissing, can
from core.api.endpoints import PAGING, Endpoint
from core.api.fields import checked
from core.api.pushing import Answer, push
from core.api.schema import one_or_many, push_examples, push_responses
from core.demo import refuse_while_demo
from core.paging import Sort, asc, desc
from engagement import acting, conversations
from engagement.channels.base import Act
from engagement.filters import (
    CONVERSATION_SORTS,
    INTERACTION_SORTS,
    MESSAGE_SORTS,
    ConversationFilter,
    InteractionFilter,
)
from engagement.models import (
    ActRecord,
    Conversation,
    ConversationTag,
    Delivery,
    Interaction,
    MoodLabel,
    Status,
)
from engagement.moods import MOODS, set_mood, take_back
from engagement.pushing import push_interactions
from engagement.replies import reply
from engagement.serializers import (
    INTERACTION,
    PRIORITIES,
    ActIn,
    ActOut,
    ConversationChanges,
    ConversationOut,
    InteractionOut,
    InteractionPush,
    NoteIn,
    ReadingIn,
    ReplyIn,
    event_of,
)

ACT_SORTS = {"id": Sort(asc("pk")), "-id": Sort(desc("pk"))}
HISTORY = OpenApiParameter(
    "history",
    {"type": "string", "enum": ["true", "false"], "default": "false"},
    description=(
        "`true` for what happened long ago: nobody is notified, and conversations without a line in the "
        "last two weeks arrive resolved."
    ),
)


def shown_interactions(user: Any) -> QuerySet[Interaction]:
    """Interactions with all that an answer shows of them."""
    seen: QuerySet[Interaction] = Interaction.objects.visible_to(user).select_related("account")
    return seen.prefetch_related("attachments", Prefetch("deliveries", Delivery.objects.order_by("pk")))


@extend_schema(tags=["interactions"])
@extend_schema_view(
    list=extend_schema(
        summary="List interactions",
        description="Every touch that your teams see, newest first; outbound ones and notes too.",
    ),
    retrieve=extend_schema(
        summary="Get an interaction",
        description="With what was read in its text, its files, and how far it got if we sent it.",
    ),
)
class InteractionEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint):
    """Single touches."""

    permission_classes = (Requires("conversation.read", write="interaction.write"),)
    serializer_class = InteractionOut
    filterset_class = InteractionFilter
    sorts = INTERACTION_SORTS
    default_sort = "-occurred"
    parameters: ClassVar = {"create": frozenset({"history"}), "acts": PAGING}
    conflicts = frozenset({"create"})

    def get_queryset(self) -> QuerySet[Interaction]:
        return shown_interactions(self.request.user)

    @extend_schema(
        summary="Push interactions",
        description=(
            "One interaction, or a list of at most 500, of which each is answered by itself. One that the "
            "account holds already under its `external_id` is `repeated` and left as it is; a review with "
            "other words or stars was edited, and is `changed`. `account` names an account of the connector "
            "`api` or `review`, by id or as `network/external_id`; an unknown one is answered "
            "`unknown_account`. Who wrote it becomes a customer where nobody has that identity."
        ),
        parameters=[HISTORY],
        request=one_or_many("InteractionPushBody", InteractionPush),
        examples=push_examples(INTERACTION),
        responses=push_responses("InteractionPushAnswer"),
    )
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        refuse_while_demo()
        history = self._history()
        return push(
            request.data,
            InteractionPush(),
            lambda good: store_pushed(good, by=caller(request), history=history),
        )

    @extend_schema(
        methods=["GET"],
        summary="List what was done to an interaction on its network",
        description="Newest first: hidden, liked, deleted, its author blocked; and how far each of these is.",
        responses=ActOut(many=True),
    )
    @extend_schema(
        methods=["POST"],
        summary="Hide, like, delete or block on the network",
        description=(
            "201 with the act, queued; follow the events `interaction.acted`. `delete`, `block`, `unblock` "
            "need the right `conversation.remove`. Where the network cannot do it, or it would change "
            "nothing, the code is `impossible`. The same act, while it is on its way, is answered 200."
        ),
        request=ActIn,
        responses={200: ActOut, 201: ActOut},
    )
    @action(
        detail=True,
        methods=["get", "post"],
        filterset_class=None,
        sorts=ACT_SORTS,
        default_sort="-id",
        permission_classes=[Requires("conversation.read", write="conversation.moderate")],
    )
    def acts(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        seen = Interaction.objects.visible_to(request.user).select_related("account")
        interaction = get_object_or_404(seen, pk=self.kwargs["pk"])
        if request.method == "GET":
            return self.answer_page(ActRecord.objects.filter(interaction=interaction), ActOut)
        act = Act(checked(ActIn, request)["act"])
        if not can(request.user, acting.VERBS[act]):
            raise RightMissing(acting.VERBS[act])
        known = ActRecord.objects.filter(interaction=interaction, act=act, state__in=acting.OPEN).exists()
        record = acting.ask_for(interaction=interaction, act=act, by=caller(request))
        code = status.HTTP_200_OK if known else status.HTTP_201_CREATED
        return Response(ActOut(record).data, status=code)

    @extend_schema(
        summary="Correct how an interaction was read",
        description=(
            "What a person says of the mood counts at once, trains the workspace's model, and no reader "
            "changes it; who said so is kept. Needs `conversation.read` and `reading.correct`."
        ),
        request=ReadingIn,
        responses=InteractionOut,
    )
    @action(
        detail=True,
        methods=["patch"],
        url_path="reading",
        permission_classes=[Requires("conversation.read"), Requires("reading.correct")],
    )
    def correct(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        seen = Interaction.objects.visible_to(request.user)
        interaction = get_object_or_404(seen, pk=self.kwargs["pk"])
        mood = checked(ReadingIn, request)["mood"]
        label = MoodLabel.objects.filter(interaction=interaction).first()
        if mood is not None:
            set_mood(interaction=interaction, mood=MOODS[mood], by=caller(request))
        elif label is not None:
            take_back(label=label, by=caller(request))
        return Response(InteractionOut(shown_interactions(request.user).get(pk=interaction.pk)).data)

    def _history(self) -> bool:
        asked = self.request.query_params.get("history", "false")
        if asked not in ("true", "false"):
            raise ValidationError({"history": [ErrorDetail("Write true or false.", code="invalid")]})
        return asked == "true"


def store_pushed(good: Sequence[tuple[Answer, dict[str, Any]]], *, by: User, history: bool) -> None:
    """Store checked interactions and fill in their answers."""
    items = [(values["account"], event_of(values)) for _, values in good]
    for (answer, _), pushed in zip(good, push_interactions(items, by=by, history=history), strict=True):
        if pushed.code:
            attr = "account" if "account" in pushed.code else None
            answer.reject(pushed.code, pushed.reason, attr)
        else:
            answer.status, answer.id = pushed.status.value, pushed.id


@extend_schema(tags=["conversations"])
@extend_schema_view(
    list=extend_schema(summary="List conversations", description="Those of the teams you belong to."),
    retrieve=extend_schema(
        summary="Get a conversation",
        description="Who handles it, how long its customer waits, and until when it can be answered.",
    ),
)
class ConversationEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint):
    """What agents handle."""

    serializer_class = ConversationOut
    filterset_class = ConversationFilter
    sorts = CONVERSATION_SORTS
    default_sort = "-last"
    parameters: ClassVar = {"messages": PAGING}
    permission_classes = (Requires("conversation.read", write="conversation.assign"),)

    def get_queryset(self) -> QuerySet[Conversation]:
        tags = ConversationTag.objects.select_related("tag").order_by("tag__name")
        seen = Conversation.objects.visible_to(self.request.user).select_related("account")
        return seen.prefetch_related(Prefetch("conversation_tags", tags))

    def one(self) -> Conversation:
        """The conversation of the address, if the caller's teams see it."""
        found: Conversation = get_object_or_404(self.get_queryset(), pk=self.kwargs["pk"])
        return found

    @extend_schema(
        summary="Change a conversation",
        description="Hand it to a team, assign it, say how urgent it is, snooze, resolve or reopen it.",
        request=ConversationChanges,
        responses=ConversationOut,
    )
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        conversation = self.one()
        change_conversation(conversation, checked(ConversationChanges, request), by=caller(request))
        changed = Conversation.objects.select_related("account").get(pk=conversation.pk)
        return Response(ConversationOut(changed).data)

    @extend_schema(
        summary="List the messages of a conversation",
        description="Oldest first unless sorted otherwise; notes too.",
        responses=InteractionOut(many=True),
    )
    @action(detail=True, filterset_class=None, sorts=MESSAGE_SORTS, default_sort="occurred")
    def messages(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        said = shown_interactions(request.user).filter(conversation=self.one())
        return self.answer_page(said, InteractionOut)

    @extend_schema(
        summary="Answer a conversation",
        description=(
            "201 with the message, queued; follow `delivery` or the events `delivery.changed`. The same "
            "`client_key` again is answered 200 with the same message. Where the channel cannot carry it the "
            "code says why: `closed` (no way to answer here, or too late), `long`, `empty`."
        ),
        request=ReplyIn,
        responses={200: InteractionOut, 201: InteractionOut},
    )
    @action(
        detail=True, methods=["post"], url_path="reply", permission_classes=[Requires("conversation.reply")]
    )
    def reply(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        conversation, values = self.one(), checked(ReplyIn, request)
        known = Delivery.objects.filter(client_key=values["client_key"]).exists()
        message = reply(conversation=conversation, by=caller(request), **values)
        return self._written(message, known=known)

    @extend_schema(
        summary="Write a note",
        description="Only staff read it. The same `client_key` again is the same note.",
        request=NoteIn,
        responses={200: InteractionOut, 201: InteractionOut},
    )
    @action(detail=True, methods=["post"], url_path="notes", permission_classes=[Requires("note.write")])
    def notes(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        conversation, values = self.one(), checked(NoteIn, request)
        known = Interaction.objects.filter(
            account_id=conversation.account_id, external_id=f"note:{values['client_key']}"
        ).exists()
        note = conversations.write_note(conversation=conversation, by=caller(request), **values)
        return self._written(note, known=known)

    def _written(self, message: Interaction, *, known: bool) -> Response:
        shown = shown_interactions(self.request.user).get(pk=message.pk)
        code = status.HTTP_200_OK if known else status.HTTP_201_CREATED
        return Response(InteractionOut(shown).data, status=code)


@transaction.atomic
def change_conversation(conversation: Conversation, values: dict[str, Any], *, by: User) -> None:
    """Apply checked changes, all of them or none."""
    if "team" in values:
        conversations.move_to_team(conversation=conversation, team=values["team"], by=by)
    if "assignee" in values:
        conversations.assign(conversation=conversation, to=values["assignee"], by=by)
    if "priority" in values:
        conversations.set_priority(conversation=conversation, priority=PRIORITIES[values["priority"]], by=by)
    if "status" in values:
        conversations.set_status(
            conversation=conversation,
            status=Status(values["status"]),
            until=values.get("snoozed_until"),
            by=by,
        )
