"""By what accounts, interactions and conversations are filtered over the API."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import Exists, OuterRef

from core.filters import FlagFilter, IdFilter, SearchFilter, WhenFilter
from core.paging import Sort, asc, desc
from crm.groups import GroupFilter
from engagement.channels.base import Direction, Kind
from engagement.inbox import SORTS
from engagement.models import (
    ChannelAccount,
    Conversation,
    ConversationTag,
    Interaction,
    Priority,
    Status,
)

CONVERSATION_SORTS = {**SORTS, "id": Sort(asc("pk")), "-id": Sort(desc("pk"))}
INTERACTION_SORTS = {
    "-occurred": Sort(desc("occurred_at")),
    "occurred": Sort(asc("occurred_at")),
    "-id": Sort(desc("pk")),
    "id": Sort(asc("pk")),
}
MESSAGE_SORTS = {name: INTERACTION_SORTS[name] for name in ("occurred", "-occurred")}


class ChannelAccountFilter(django_filters.FilterSet):
    """Filters of channel accounts."""

    connector = django_filters.CharFilter(max_length=40, label="Connector, such as api or email")
    network = django_filters.CharFilter(max_length=30, label="Network")
    external_id = django_filters.CharFilter(max_length=200, label="The account's own id")
    team = IdFilter(field_name="team_id", label="Of this team")
    is_active = FlagFilter(label="Connected")

    class Meta:
        model = ChannelAccount
        fields: tuple[str, ...] = ()


class InteractionFilter(django_filters.FilterSet):
    """Filters of interactions."""

    q = SearchFilter(method="search", label='All these words, "a phrase", or the beginning of a word*')
    account = IdFilter(field_name="account_id", label="On this channel account")
    external_id = django_filters.CharFilter(
        max_length=320, label="The network's own id; name the account too"
    )
    network = django_filters.CharFilter(method="by_network", max_length=30, label="On this network")
    conversation = IdFilter(field_name="conversation_id", label="Of this conversation")
    customer = IdFilter(field_name="customer_id", label="Written by this customer")
    kind = django_filters.ChoiceFilter(choices=[(kind.value, kind.value) for kind in Kind], label="Kind")
    direction = django_filters.ChoiceFilter(
        choices=[(way.value, way.value) for way in Direction], label="Which way"
    )
    since = WhenFilter(field_name="occurred_at", lookup_expr="gte", label="At or after this moment")
    before = WhenFilter(field_name="occurred_at", lookup_expr="lt", label="Before this moment")
    persona = GroupFilter("persona", by="customer_id", label="Written by customers of this persona, or none")
    segment = GroupFilter("segment", by="customer_id", label="Written by customers in this segment, or none")
    received_since = WhenFilter(
        field_name="received_at", lookup_expr="gte", label="Came in at or after this moment"
    )

    class Meta:
        model = Interaction
        fields: tuple[str, ...] = ()

    def search(self, found: Any, name: str, value: str) -> Any:
        return found.searched(value, self.request.user)

    def by_network(self, found: Any, name: str, value: str) -> Any:
        return found.filter(account__in=ChannelAccount.objects.filter(network=value).values("pk"))


class ConversationFilter(django_filters.FilterSet):
    """Filters of conversations."""

    q = SearchFilter(method="search", label="In the customer's name and handles, the subject or the words")
    status = django_filters.ChoiceFilter(choices=Status.choices, label="Status")
    assignee = IdFilter(field_name="assignee_id", label="Handled by this member of staff")
    unassigned = FlagFilter(field_name="assignee", lookup_expr="isnull", label="Handled by nobody")
    team = IdFilter(field_name="team_id", label="Of this team")
    account = IdFilter(field_name="account_id", label="On this channel account")
    network = django_filters.CharFilter(method="by_network", max_length=30, label="On this network")
    customer = IdFilter(field_name="customer_id", label="Owned by this customer")
    priority = django_filters.ChoiceFilter(
        method="by_priority", choices=[(p.name.lower(), p.label) for p in Priority], label="Priority"
    )
    tag = django_filters.CharFilter(method="by_tag", max_length=60, label="Carries this tag")
    persona = GroupFilter("persona", by="customer_id", label="Of customers of this persona, or none")
    segment = GroupFilter("segment", by="customer_id", label="Of customers in this segment, or none")
    overdue = FlagFilter(method="by_overdue", label="Open, and its answer is late")
    active_since = WhenFilter(
        field_name="last_at", lookup_expr="gte", label="Last interaction at or after this moment"
    )

    class Meta:
        model = Conversation
        fields: tuple[str, ...] = ()

    def search(self, found: Any, name: str, value: str) -> Any:
        return found.matching(value, self.request.user)

    def by_network(self, found: Any, name: str, value: str) -> Any:
        return found.filter(account__in=ChannelAccount.objects.filter(network=value).values("pk"))

    def by_priority(self, found: Any, name: str, value: str) -> Any:
        return found.filter(priority=Priority[value.upper()])

    def by_tag(self, found: Any, name: str, value: str) -> Any:
        put = ConversationTag.objects.filter(conversation=OuterRef("pk"), tag__name__iexact=value)
        return found.filter(Exists(put))

    def by_overdue(self, found: Any, name: str, value: bool) -> Any:
        late = found.overdue()
        return late if value else found.exclude(pk__in=late.values("pk"))
