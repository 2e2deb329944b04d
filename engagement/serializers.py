"""How accounts, interactions and conversations are read and written over the API."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from accounts.models import Team, User
from core.api.fields import Input, NetworkField, Text, WhenField
from core.models import Brand
from crm.identities import MAX_LENGTH
from crm.serializers import person_fields
from engagement.channels.base import Act, Author, Event, Kind, PostRef
from engagement.models import (
    ActRecord,
    Conversation,
    Delivery,
    Interaction,
    Priority,
    Status,
)

MAX_TEXT = 1_000_000
KINDS = [kind.value for kind in Kind if kind != Kind.NOTE]
PRIORITIES = {priority.name.lower(): priority for priority in Priority}


# Out


class AttachmentOut(serializers.Serializer[Any]):
    """A file of an interaction; `note` says why its content is absent."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    content_type = serializers.CharField()
    size = serializers.IntegerField()
    note = serializers.CharField()


class DeliveryOut(serializers.ModelSerializer[Delivery]):
    """How far an outgoing message got."""

    class Meta:
        model = Delivery
        fields = (
            "state", "failure", "failure_text", "advice", "may_be_twice", "attempts", "next_try_at",
            "sent_at", "updated_at",
        )  # fmt: skip


class InteractionOut(serializers.ModelSerializer[Interaction]):
    """One touch: a message, comment, mention, review, call, visit, survey answer or note."""

    network = serializers.CharField(source="account.network")
    public = serializers.BooleanField(source="is_public")
    automatic = serializers.BooleanField(source="is_automatic", help_text="An auto-reply or bounce.")
    topics = serializers.ListField(child=serializers.CharField())
    attachments = AttachmentOut(many=True)
    delivery = serializers.SerializerMethodField(help_text="Of messages that we sent; null otherwise.")

    class Meta:
        model = Interaction
        fields = (
            "id", "account", "network", "external_id", "conversation", "customer", "identity", "kind",
            "direction", "public", "automatic", "occurred_at", "received_at", "subject", "text", "rating",
            "in_reply_to", "staff", "staff_name", "language", "sentiment", "mood_by_staff", "reason",
            "contact_reason", "topics", "edited_at", "deleted_at", "attachments", "delivery",
        )  # fmt: skip

    @extend_schema_field(DeliveryOut(allow_null=True))
    def get_delivery(self, interaction: Interaction) -> dict[str, Any] | None:
        newest = max(interaction.deliveries.all(), key=lambda one: one.pk, default=None)
        return DeliveryOut(newest).data if newest else None


class ConversationOut(serializers.ModelSerializer[Conversation]):
    """What an agent handles."""

    network = serializers.CharField(source="account.network")
    public = serializers.BooleanField(source="is_public")
    priority = serializers.SerializerMethodField()
    tags = serializers.SerializerMethodField()
    is_overdue = serializers.BooleanField()

    class Meta:
        model = Conversation
        fields = (
            "id", "account", "network", "team", "customer", "identity", "subject", "public", "status",
            "priority", "assignee", "snoozed_until", "created_at", "first_at", "last_at", "last_inbound_at",
            "last_text", "last_direction", "mood", "count", "waiting_since", "first_answered_at", "due_at",
            "is_overdue", "reply_until", "resolved_at", "tags",
        )  # fmt: skip

    @extend_schema_field(serializers.ChoiceField(choices=list(PRIORITIES)))
    def get_priority(self, conversation: Conversation) -> str:
        return Priority(conversation.priority).name.lower()

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_tags(self, conversation: Conversation) -> list[str]:
        return [put.tag.name for put in conversation.conversation_tags.all()]


# In


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A shop's chat",
            {"network": "instagram", "external_id": "acme_shop", "name": "Acme on Instagram"},
            request_only=True,
        )
    ]
)
class ChannelAccountIn(Input):
    """An account that interactions are pushed into."""

    network = NetworkField(help_text="instagram, phone, review …: any word, in lower case.")
    external_id = Text(max_length=200, help_text="The account's own id or address on the network.")
    name = Text(required=False, max_length=160, help_text="As staff read it; its id unless said.")
    issuer = Text(
        required=False, allow_blank=True, max_length=200,
        help_text="Who gives the ids of customers here; empty where they are world-wide.",
    )  # fmt: skip
    team = serializers.PrimaryKeyRelatedField(
        queryset=Team.objects.all(), required=False, help_text="The general team unless said."
    )
    brand = serializers.PrimaryKeyRelatedField(queryset=Brand.objects.all(), required=False, allow_null=True)
    reply_goal_minutes = serializers.IntegerField(required=False, min_value=1, max_value=525_600)


@extend_schema_field(
    {
        "oneOf": [
            {"type": "integer", "minimum": 1},
            {"type": "string", "maxLength": 231, "pattern": "^[a-z0-9_-]{1,30}/.+$"},
        ],
        "description": "Id of the channel account, or its network and own id: `instagram/acme_shop`.",
    }
)
class AccountField(serializers.Field[Any, Any, Any, Any]):
    """A channel account, by our id or by network and its own."""

    def to_internal_value(self, data: Any) -> int | tuple[str, str]:
        if isinstance(data, int) and not isinstance(data, bool):
            return data
        if isinstance(data, str) and len(data) <= 231 and "\x00" not in data:
            network, slash, external_id = data.partition("/")
            if slash and network and external_id:
                return network, external_id
        detail = "Give the id of a channel account, or network/external_id such as instagram/acme_shop."
        raise ValidationError([ErrorDetail(detail, code="invalid")])


class AuthorIn(Input):
    """Who wrote it, as the network knows them. A customer is made where nobody has this identity."""

    external_id = Text(max_length=MAX_LENGTH)
    handle = Text(required=False, allow_blank=True, max_length=MAX_LENGTH, help_text="As people read it.")
    name = Text(required=False, allow_blank=True, max_length=200)
    network = NetworkField(
        required=False, allow_blank=True, help_text="Where the id is of another network than the account's."
    )
    issuer = Text(
        required=False,
        allow_blank=True,
        max_length=200,
        help_text="Who gave the id; the account's unless said.",
    )
    verified = serializers.BooleanField(required=False)

    def get_fields(self) -> dict[str, Any]:
        return {**super().get_fields(), **person_fields()}


class PostIn(Input):
    """Something of ours that people react to."""

    external_id = Text(max_length=200)
    text = Text(required=False, allow_blank=True, max_length=20_000, trim_whitespace=False)
    url = Text(required=False, allow_blank=True, max_length=500)
    media = Text(required=False, allow_blank=True, max_length=30)
    published_at = WhenField(required=False)


INTERACTION = {
    "account": "instagram/acme_shop",
    "external_id": "m-1001",
    "direction": "inbound",
    "occurred_at": "2026-11-20T09:30:00Z",
    "thread_id": "t-77",
    "author": {"external_id": "17841", "handle": "@eva", "name": "Eva Lind"},
    "text": "Where is my order?",
}


class InteractionPush(Input):
    """One touch as it happened. Pushed again under its id it is `repeated`; an edited review `changed`."""

    account = AccountField()
    external_id = Text(max_length=MAX_LENGTH, help_text="Unique in its account.")
    direction = serializers.ChoiceField(choices=["inbound", "outbound"])
    occurred_at = WhenField()
    kind = serializers.ChoiceField(choices=KINDS, required=False, help_text="message unless said")
    text = Text(
        required=False, allow_blank=True, max_length=MAX_TEXT, trim_whitespace=False,
        help_text="Over 50,000 characters it is shown cut, with the whole of it as a file.",
    )  # fmt: skip
    subject = Text(required=False, allow_blank=True, max_length=300)
    author = AuthorIn(required=False, help_text="Inbound needs one; outbound belongs to no customer.")
    thread_id = Text(
        required=False, allow_blank=True, max_length=500,
        help_text="Interactions of one thread are one conversation; without it each is its own.",
    )  # fmt: skip
    in_reply_to = Text(required=False, allow_blank=True, max_length=MAX_LENGTH)
    public = serializers.BooleanField(required=False, help_text="Everybody can read it there.")
    rating = serializers.IntegerField(required=False, allow_null=True, min_value=0, max_value=10)
    staff_name = Text(required=False, allow_blank=True, max_length=160, help_text="Who of us wrote it.")
    post = PostIn(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["direction"] == "inbound" and "author" not in attrs:
            raise ValidationError(
                {"author": [ErrorDetail("An inbound interaction needs an author.", code="required")]}
            )
        return attrs


def event_of(values: dict[str, Any]) -> Event:
    """The event that checked input describes."""
    thread = values.get("thread_id", "")
    return Event(
        external_id=values["external_id"],
        kind=values.get("kind", Kind.MESSAGE.value),
        direction=values["direction"],
        occurred_at=values["occurred_at"],
        text=values.get("text", ""),
        thread_keys=(thread,) if thread else (),
        author=author_of(values["author"]) if "author" in values else None,
        public=values.get("public", False),
        subject=values.get("subject", ""),
        in_reply_to=values.get("in_reply_to", ""),
        rating=values.get("rating"),
        staff_name=values.get("staff_name", ""),
        post=PostRef(**values["post"]) if "post" in values else None,
    )


def author_of(values: dict[str, Any]) -> Author:
    """The author that checked input describes."""
    facts = {name: values[name] for name in person_fields() if name in values}
    rest = {name: value for name, value in values.items() if name not in facts}
    return Author(**rest, facts=facts)


CLIENT_KEY = "019aa6f2-6c1e-7d3a-9a44-0e6a5b1f2c3d"


@extend_schema_serializer(
    examples=[
        OpenApiExample("A reply", {"text": "It left today.", "client_key": CLIENT_KEY}, request_only=True)
    ]
)
class ReplyIn(Input):
    """An answer to a customer."""

    text = Text(max_length=100_000, trim_whitespace=False)
    client_key = serializers.UUIDField(
        help_text="Made by you, once a message: the same key again is the same message, never a second one."
    )
    subject = Text(required=False, allow_blank=True, max_length=300)
    cc = serializers.ListField(child=Text(max_length=320), required=False, max_length=50)
    bcc = serializers.ListField(child=Text(max_length=320), required=False, max_length=50)


@extend_schema_serializer(examples=[OpenApiExample("A correction", {"mood": "unhappy"}, request_only=True)])
class ReadingIn(Input):
    """What a person says of a message that was read."""

    mood = serializers.ChoiceField(
        choices=["happy", "neutral", "unhappy"],
        allow_null=True,
        help_text="How whoever wrote it feels; null takes back what somebody said, and it is read again.",
    )


class ActOut(serializers.ModelSerializer[ActRecord]):
    """Something done on the network beside answering."""

    class Meta:
        model = ActRecord
        fields = ("id", "interaction", "act", "state", "failure_text", "staff", "created_at", "done_at")


@extend_schema_serializer(examples=[OpenApiExample("Hide a comment", {"act": "hide"}, request_only=True)])
class ActIn(Input):
    """What to do on the network."""

    act = serializers.ChoiceField(choices=[one.value for one in Act])


@extend_schema_serializer(
    examples=[
        OpenApiExample("A note", {"text": "@Amy called back.", "client_key": CLIENT_KEY}, request_only=True)
    ]
)
class NoteIn(Input):
    """A note that only staff read; @name calls somebody."""

    text = Text(max_length=20_000, trim_whitespace=False)
    client_key = serializers.UUIDField(help_text="The same key again is the same note.")


@extend_schema_serializer(
    examples=[
        OpenApiExample("Assign it", {"assignee": 7, "priority": "high"}, request_only=True),
        OpenApiExample(
            "Snooze it", {"status": "snoozed", "snoozed_until": "2027-01-04T09:00:00Z"}, request_only=True
        ),
        OpenApiExample("Resolve it", {"status": "resolved"}, request_only=True),
    ]
)
class ConversationChanges(Input):
    """What to change; what is left out stays. The team goes first, then assignee, priority and status."""

    team = serializers.PrimaryKeyRelatedField(queryset=Team.objects.all(), required=False)
    assignee = serializers.PrimaryKeyRelatedField(
        queryset=User.objects.filter(is_active=True), required=False, allow_null=True
    )
    priority = serializers.ChoiceField(choices=list(PRIORITIES), required=False)
    status = serializers.ChoiceField(choices=Status.choices, required=False)
    snoozed_until = WhenField(required=False, allow_null=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        snoozed, until = attrs.get("status") == Status.SNOOZED, attrs.get("snoozed_until")
        if snoozed and until is None:
            wanted = "Say until when: snoozed_until goes with the status snoozed."
            raise ValidationError({"snoozed_until": [ErrorDetail(wanted, code="required")]})
        if until is not None and not snoozed:
            wanted = "snoozed_until goes with the status snoozed."
            raise ValidationError({"snoozed_until": [ErrorDetail(wanted, code="invalid")]})
        return attrs
