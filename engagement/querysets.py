"""Reads of accounts, conversations and interactions that are worth a name."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Self

from django.contrib.postgres.search import SearchVector
from django.db.models import DateTimeField, Exists, Func, OuterRef, Prefetch, QuerySet, Subquery
from django.utils import timezone

from accounts.querysets import TeamScopedQuerySet, team_ids
from core.finding import FoundQuerySet
from core.words import Words

WEEK_ONE = datetime(2001, 1, 1, tzinfo=UTC)
SAID = SearchVector("subject", "text", config="simple")
"""The words of an interaction, as its index holds them."""


class Week(Func):
    """The Monday on which a moment's week began, in UTC."""

    template = "date_bin('7 days', %(expressions)s, '2001-01-01 00:00:00+00')"
    output_field = DateTimeField()


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
        """Whose customer, subject or words contain the text (`engagement.finding`)."""
        from engagement.finding import conversations_about

        return self.filter(conversations_about(self, text, user)) if text.strip() else self

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


class InteractionQuerySet(TeamScopedQuerySet[Any], FoundQuerySet):  # type: ignore[override]
    """Single touches."""

    def present(self) -> Self:
        """Without those the platform says were deleted."""
        return self.filter(deleted_at__isnull=True)

    def saying(self, text: str) -> Self:
        """Whose subject and text contain these words."""
        query = Words.of(text).query
        return self.none() if query is None else self.alias(words=SAID).filter(words=query)

    def searched(self, text: str, user: Any) -> Self:
        """Those that a person sees, for lists by time: a frequent word costs no more than a rare one."""
        from engagement.finding import Said

        words = Words.of(text)
        seen = self.visible_to(user).saying(text)
        return seen if words.query is None else seen.found_by(Said(words, user))


def visible_teams(user: Any) -> QuerySet[Any]:
    """The teams whose conversations this person sees, by name."""
    from accounts.models import Team

    return Team.objects.filter(pk__in=team_ids(user)).order_by("name")
