"""Reads of accounts, conversations and interactions that are worth a name."""

from __future__ import annotations

from typing import Any, Self

from django.utils import timezone

from accounts.querysets import TeamScopedQuerySet


class ChannelAccountQuerySet(TeamScopedQuerySet[Any]):
    def active(self) -> Self:
        return self.filter(is_active=True)


class ConversationQuerySet(TeamScopedQuerySet[Any]):
    def open(self) -> Self:
        return self.filter(status="open")

    def overdue(self) -> Self:
        return self.open().filter(due_at__lt=timezone.now())


class InteractionQuerySet(TeamScopedQuerySet[Any]):
    def present(self) -> Self:
        """Without those the platform says were deleted."""
        return self.filter(deleted_at__isnull=True)
