"""Reads of accounts, conversations and interactions that are worth a name."""

from __future__ import annotations

from typing import Any, Self

from django.contrib.postgres.search import SearchQuery, SearchVector
from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet, Subquery
from django.utils import timezone

from accounts.querysets import TeamScopedQuerySet, team_ids

PROBE = 5000
"""So many hits of a search are taken as a list of ids; beyond that the list is walked by time."""


class ChannelAccountQuerySet(TeamScopedQuerySet[Any]):
    """Connected accounts."""

    """Connected pages, mailboxes and numbers."""

    def active(self) -> Self:
        """Not disconnected."""
        return self.filter(is_active=True)


class ConversationQuerySet(TeamScopedQuerySet[Any]):
    """What agents handle."""

    """Conversations as the inbox filters and shows them."""

    def open(self) -> Self:
        """Waiting for somebody or for an answer; neither snoozed nor resolved."""
        return self.filter(status="open")

    def snoozed(self) -> Self:
        """Put off until a time."""
        return self.filter(status="snoozed")

    def resolved(self) -> Self:
        """Done."""
        return self.filter(status="resolved")

    def overdue(self) -> Self:
        """Open ones whose answer is late."""
        return self.open().filter(due_at__lt=timezone.now())

    def mine(self, user: Any) -> Self:
        """Open ones that this person handles."""
        return self.open().filter(assignee=user)

    def unassigned(self) -> Self:
        """Open ones that nobody handles."""
        return self.open().filter(assignee__isnull=True)

    def mentioning(self, user: Any) -> Self:
        """Those that are not resolved, in a note of which this person was called."""
        from engagement.models import Mention

        called = Mention.objects.filter(user=user, conversation=OuterRef("pk"))
        return self.exclude(status="resolved").filter(Exists(called))

    def matching(self, text: str, user: Any) -> Self:
        """Whose customer, subject or words contain the text."""
        from crm.models import Customer
        from engagement.models import Interaction

        text = text.strip()
        if not text:
            return self
        people = list(Customer.objects.roots().matching(text).values_list("pk", flat=True)[:PROBE])
        said = Interaction.objects.visible_to(user).saying(text)
        found = set(said.values_list("conversation_id", flat=True)[: PROBE + 1])
        by_words: Any = Q(pk__in=found - {None})
        if len(found) > PROBE:
            by_words = Exists(said.filter(conversation_id=OuterRef("pk")))
        return self.filter(Q(customer_id__in=people) | by_words)

    def with_seen(self, user: Any) -> Self:
        """`seen_at`: up to when this person read it."""
        from engagement.models import ReadMark

        marks = ReadMark.objects.filter(user=user, conversation=OuterRef("pk"))
        return self.annotate(seen_at=Subquery(marks.values("read_at")[:1]))

    def for_rows(self, user: Any) -> Self:
        """What a row of the inbox shows."""
        from engagement.models import ConversationTag, Delivery

        newest = Delivery.objects.filter(conversation=OuterRef("pk")).order_by("-pk")
        tags = ConversationTag.objects.select_related("tag").order_by("tag__name")
        return (
            self.with_seen(user)
            .annotate(sent_state=Subquery(newest.values("state")[:1]))
            .select_related("account", "customer", "assignee", "identity")
            .prefetch_related(Prefetch("conversation_tags", tags))
        )


class InteractionQuerySet(TeamScopedQuerySet[Any]):
    """Single touches."""

    """Single touches."""

    def present(self) -> Self:
        """Without those the platform says were deleted."""
        return self.filter(deleted_at__isnull=True)

    def saying(self, text: str) -> Self:
        """Whose words contain these words; served by the index on the text."""
        wanted = SearchQuery(text, config="simple", search_type="websearch")
        words: QuerySet[Any] = self.annotate(words=SearchVector("text", config="simple"))
        return words.filter(words=wanted)  # type: ignore[return-value]


def visible_teams(user: Any) -> QuerySet[Any]:
    """The teams whose conversations this person sees, by name."""
    from accounts.models import Team

    return Team.objects.filter(pk__in=team_ids(user)).order_by("name")
