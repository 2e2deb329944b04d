"""How staff, jobs and the change feed are read over the API."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.models import Team
from accounts.permissions import SCOPES
from core.models import Event, Job


class TeamOut(serializers.ModelSerializer[Team]):
    """Staff that share conversations."""

    class Meta:
        model = Team
        fields = ("id", "name")


class KeyOut(serializers.Serializer[Any]):
    """The key of this call."""

    name = serializers.CharField()
    prefix = serializers.CharField()
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=SCOPES))


class WorkspaceOut(serializers.Serializer[Any]):
    """This installation."""

    name = serializers.CharField()
    zone = serializers.CharField(help_text="Its days begin at midnight there.")
    currency = serializers.CharField()
    is_demo = serializers.BooleanField(help_text="Customers here are made up; nothing real can be pushed.")


class MeOut(serializers.Serializer[Any]):
    """Who this key acts for, and what it may do."""

    id = serializers.IntegerField()
    email = serializers.EmailField()
    name = serializers.CharField()
    role = serializers.CharField()
    teams = TeamOut(many=True)
    rights = serializers.ListField(
        child=serializers.CharField(), help_text="Scopes of the key that its maker's role has too."
    )
    key = KeyOut()
    workspace = WorkspaceOut()


class JobOut(serializers.ModelSerializer[Job]):
    """Work in the background."""

    percent = serializers.IntegerField(help_text="0 to 100; 0 while the total is not known.")
    steps = serializers.ListField(child=serializers.DictField(), help_text="name, seconds and counts of each")
    result = serializers.DictField()
    created_by = serializers.IntegerField(source="created_by_id", allow_null=True)

    class Meta:
        model = Job
        fields = (
            "id", "kind", "title", "state", "phase", "done", "total", "percent", "steps", "result", "error",
            "created_by", "created_at", "started_at", "finished_at",
        )  # fmt: skip


class EventOut(serializers.ModelSerializer[Event]):
    """Something that happened: ids only; get the things themselves for what they are."""

    number = serializers.IntegerField(help_text="Place in the feed.")
    ids = serializers.SerializerMethodField(help_text="Ids by kind of thing: conversation, customer, job …")

    class Meta:
        model = Event
        fields = ("number", "type", "at", "ids")

    @extend_schema_field(serializers.DictField())
    def get_ids(self, event: Event) -> dict[str, Any]:
        return dict(event.ids)


class FeedOut(serializers.Serializer[Any]):
    """A page of the change feed."""

    results = EventOut(many=True)
    next_after = serializers.IntegerField(help_text="`after` of the next call. Keep it with what you did.")
    more = serializers.BooleanField(help_text="The next page is there already; do not wait.")


class HitOut(serializers.Serializer[Any]):
    """Something that was found."""

    object = serializers.CharField(help_text="What it leads to: customer, order, conversation, tag …")
    id = serializers.IntegerField(help_text="Id of that.")
    label = serializers.CharField(  # type: ignore[assignment]
        help_text="What it is called, or the words around those that were said."
    )
    detail = serializers.CharField(help_text="Who it is of, and when.")
    url = serializers.CharField(help_text="Its page.")


class HitGroupOut(serializers.Serializer[Any]):
    """What was found of one kind, best first."""

    group = serializers.CharField(source="key")
    label = serializers.CharField()  # type: ignore[assignment]
    slow = serializers.BooleanField(source="is_slow", help_text="Ended because it took too long.")
    more = serializers.BooleanField(source="has_more", help_text="There are more hits than asked for.")
    results = HitOut(many=True, source="hits")


class SearchOut(serializers.Serializer[Any]):
    """What was found, by kind."""

    groups = HitGroupOut(many=True)
