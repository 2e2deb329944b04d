"""Why a conversation was begun: the tag that staff gave it, else what a model learned from such tags.

`Interaction.reason` stays what the rules say of a single text (question, complaint, praise, order, other), so
that figures which count those mean the same everywhere. `contact_reason` is the workspace's own word for the
whole conversation, at each line its customers wrote; '' where nobody and nothing told one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from accounts.models import User
from accounts.permissions import check
from accounts.services import record_audit
from core import sql
from crm.models import Tag
from engagement.models import ReasonTag
from engagement.reading.cleaning import clean
from engagement.reading.trained import ReasonModel

APP = "engagement"
USED = 50
"""A tag that nobody chose counts as a reason with so many conversations."""

AT_ONCE = 5_000


@dataclass(frozen=True)
class TagInUse:
    """A tag of conversations: its uses, whether somebody chose (None: nobody), and whether it counts."""

    id: int
    name: str
    n: int
    chosen: bool | None
    counts: bool


def tags_in_use() -> list[TagInUse]:
    """Every tag that conversations carry, the most used first."""
    return [TagInUse(**row) for row in sql.rows(APP, "tags_in_use", {"used": USED})]


@transaction.atomic
def choose_tags(*, chosen: Mapping[int, bool | None], by: User) -> None:
    """Say which tags count as reasons; None leaves it to their use."""
    check(by, "reading.manage")
    for tag in Tag.objects.filter(pk__in=chosen):
        if (value := chosen[tag.pk]) is None:
            ReasonTag.objects.filter(tag=tag).delete()
        else:
            ReasonTag.objects.update_or_create(tag=tag, defaults={"is_reason": value})
    record_audit(by=by, verb="reasontag.chosen", name="", detail={"tags": sorted(chosen)})


def follow_tags(conversations: Sequence[int] | None = None) -> dict[str, int]:
    """Bring lines in step with the tags of their conversations (all, or these); how many were told, taken."""
    wanted = None if conversations is None else list(conversations)
    return _first(sql.rows(APP, "follow_tags", {"used": USED, "conversations": wanted}))


def _first(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return rows[0] if rows else {}


@dataclass(frozen=True)
class Told:
    """One step of telling: the last line looked at (None: no more), and how many lines were written."""

    last: int | None
    written: int = 0


@transaction.atomic
def tell_next(model: ReasonModel, *, after: int) -> Told:
    """Tell the reasons of the conversations of the next lines, where no person did."""
    rows = sql.rows(APP, "untold_conversations", {"after": after, "limit": AT_ONCE})
    if not rows:
        return Told(None)
    talks = [row for row in rows if row["conversation"] is not None]
    reasons = [model.reason(clean(row["text"] or "")[0]) for row in talks]
    found = {
        "conversations": [row["conversation"] for row in talks],
        "reasons": reasons,
        "version": model.version,
    }
    written = _first(sql.rows(APP, "write_reasons", found))["n"] if talks else 0
    return Told(rows[0]["last"], written)
