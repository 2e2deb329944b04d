"""Which teams somebody belongs to, and the one filter that follows from it."""

from __future__ import annotations

from typing import ClassVar, Self, TypeVar

from django.contrib.auth.models import AnonymousUser
from django.db import models

from accounts.models import Team, User
from accounts.permissions import SEES_ALL_TEAMS

M_co = TypeVar("M_co", bound=models.Model, covariant=True)


def team_ids(user: User | AnonymousUser) -> list[int]:
    """Ids of the teams whose rows this person sees, sorted; asked of the database once a user object."""
    if not isinstance(user, User) or not user.is_active:
        return []
    known: list[int] | None = getattr(user, "_team_ids", None)
    if known is None:
        teams = Team.objects if user.role in SEES_ALL_TEAMS else user.teams
        known = sorted(teams.order_by().values_list("pk", flat=True))
        user._team_ids = known  # type: ignore[attr-defined]
    return known


class TeamScopedQuerySet(models.QuerySet[M_co]):
    """For tables with a team: `visible_to(user)` is the only filter of who may see a row."""

    team_column: ClassVar[str] = "team_id"

    def visible_to(self, user: User | AnonymousUser) -> Self:
        return self.filter(**{f"{self.team_column}__in": team_ids(user)})
