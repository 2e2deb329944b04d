"""What staff do with a conversation besides answering it; each leaves a row in its thread."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Team, User
from accounts.permissions import SEES_ALL_TEAMS, check
from accounts.querysets import team_ids
from core import sql
from core.events import emit
from core.models import Workspace
from core.text import clean_text
from crm.models import Tag
from engagement.channels.base import Direction, Kind
from engagement.contact_reasons import follow_tags
from engagement.models import (
    Conversation,
    ConversationEvent,
    ConversationTag,
    Draft,
    Interaction,
    Mention,
    Priority,
    ReadMark,
    Status,
)
from engagement.replies import lock_conversation, store_files
from engagement.telling import tell

MAX_NOTE = 20_000
MAX_DRAFT = 100_000
MAX_TAGS = 20


@transaction.atomic
def write_note(
    *,
    conversation: Conversation,
    by: User,
    text: str,
    client_key: UUID | None = None,
    files: Sequence[UploadedFile] = (),
) -> Interaction:
    """Store a note that only staff read; everybody it calls by @name is told.

    The same key is the same note.
    """
    check(by, "note.write")
    conversation = lock_conversation(conversation.pk)
    external_id = f"note:{client_key or uuid4()}"
    known = Interaction.objects.filter(account=conversation.account, external_id=external_id).first()
    if known is not None:
        return known
    text = clean_text(text).strip()
    if not text and not files:
        raise ValidationError(_("Write something first."), code="empty")
    if len(text) > MAX_NOTE:
        raise ValidationError(_("A note holds %(most)s characters.") % {"most": MAX_NOTE}, code="long")
    note = Interaction.objects.create(
        account=conversation.account,
        external_id=external_id,
        conversation=conversation,
        team_id=conversation.team_id,
        staff=by,
        staff_name=by.display_name,
        kind=Kind.NOTE,
        direction=Direction.INTERNAL,
        occurred_at=timezone.now(),
        text=text,
    )
    store_files(note, files)
    _call(conversation, note, by=by)
    tell(conversation, "note", by=by, interaction=note.pk)
    return note


def callable_staff(conversation: Conversation) -> list[User]:
    """Staff who see this conversation, so that a note may call them and it may be assigned to them."""
    members = User.objects.filter(is_active=True, teams=conversation.team_id)
    leads = User.objects.filter(is_active=True, role__in=SEES_ALL_TEAMS)
    return list((members | leads).distinct().order_by("name", "email"))


def find_called(text: str, staff: Iterable[User]) -> list[User]:
    """Whom a note calls: @full name, or @first name where only one bears it, whatever the case."""
    people = list(staff)
    said = text.casefold()
    firsts = [person.get_short_name().casefold() for person in people]
    called = []
    for person, first in zip(people, firsts, strict=True):
        names = {person.display_name.casefold()} | ({first} if firsts.count(first) == 1 else set())
        if any(re.search(rf"(?<!\w)@{re.escape(name)}(?!\w)", said) for name in names):
            called.append(person)
    return called


def _call(conversation: Conversation, note: Interaction, *, by: User) -> None:
    if "@" not in note.text:
        return
    called = [one for one in find_called(note.text, callable_staff(conversation)) if one.pk != by.pk]
    Mention.objects.bulk_create(
        Mention(user=one, interaction=note, conversation=conversation, at=note.occurred_at) for one in called
    )
    for one in called:
        emit(
            "note.mentioned",
            channels=[f"user:{one.pk}"],
            conversation=conversation.pk,
            interaction=note.pk,
            user=one.pk,
            by=by.pk,
        )


@transaction.atomic
def assign(*, conversation: Conversation, to: User | None, by: User) -> Conversation:
    """Give a conversation to somebody who sees it, or to nobody."""
    check(by, "conversation.assign")
    conversation = lock_conversation(conversation.pk)
    if conversation.assignee_id == (to.pk if to else None):
        return conversation
    if to is not None and (not to.is_active or conversation.team_id not in team_ids(to)):
        raise ValidationError(
            _("%(name)s is not in the team of this conversation.") % {"name": to.display_name}
        )
    conversation.assignee = to
    conversation.save(update_fields=["assignee"])
    detail: dict[str, Any] = {"to": to.pk, "name": to.display_name} if to else {}
    _record(conversation, "assigned" if to else "unassigned", by=by, **detail)
    if to is not None and to.pk != by.pk:
        emit("conversation.assigned", channels=[f"user:{to.pk}"], conversation=conversation.pk, by=by.pk)
    return conversation


@transaction.atomic
def set_status(
    *, conversation: Conversation, status: Status, by: User | None, until: datetime | None = None
) -> Conversation:
    """Open, snooze until a time, or resolve. `by` None is the clock that wakes snoozed ones."""
    if by is not None:
        check(by, "conversation.assign")
    if status == Status.SNOOZED and (until is None or until <= timezone.now()):
        raise ValidationError(_("Choose a time that is still to come."))
    conversation = lock_conversation(conversation.pk)
    before = conversation.status
    if before == status and conversation.snoozed_until == until:
        return conversation
    conversation.status = status
    conversation.snoozed_until = until if status == Status.SNOOZED else None
    conversation.resolved_at = timezone.now() if status == Status.RESOLVED else None
    conversation.save(update_fields=["status", "snoozed_until", "resolved_at"])
    _record(conversation, _STATUS_EVENT[status], by=by, **_status_detail(status, before, until, by))
    return conversation


_STATUS_EVENT = {Status.OPEN: "reopened", Status.SNOOZED: "snoozed", Status.RESOLVED: "resolved"}


def _status_detail(status: str, before: str, until: datetime | None, by: User | None) -> dict[str, Any]:
    if status == Status.SNOOZED and until is not None:
        return {"until": until.isoformat()}
    return {"woke": True} if by is None and before == Status.SNOOZED else {}


@transaction.atomic
def set_priority(*, conversation: Conversation, priority: Priority, by: User) -> Conversation:
    """Say how urgent it is."""
    check(by, "conversation.assign")
    conversation = lock_conversation(conversation.pk)
    if conversation.priority != priority:
        conversation.priority = priority
        conversation.save(update_fields=["priority"])
        _record(conversation, "priority", by=by, to=int(priority), name=str(Priority(priority).label))
    return conversation


@transaction.atomic
def move_to_team(*, conversation: Conversation, team: Team, by: User) -> Conversation:
    """Hand a conversation and all that was said in it to another team.

    Whoever cannot see it any more is no longer its assignee.
    """
    check(by, "conversation.assign")
    conversation = lock_conversation(conversation.pk)
    if conversation.team_id == team.pk:
        return conversation
    before = conversation.team
    conversation.team = team
    if conversation.assignee is not None and team.pk not in team_ids(conversation.assignee):
        conversation.assignee = None
    conversation.save(update_fields=["team", "assignee"])
    said = Interaction.objects.filter(conversation=conversation)
    said.update(team=team)
    mark_days(said)
    _record(conversation, "team", by=by, teams=(before.pk,), to=team.pk, name=team.name, before=before.name)
    return conversation


def mark_days(said: QuerySet[Interaction]) -> None:
    """The days of these lines are computed again in the rollups."""
    moments: dict[int, list[datetime]] = {}
    for account, at in said.values_list("account_id", "occurred_at"):
        moments.setdefault(account, []).append(at)
    zone = Workspace.current().zone
    for account, each in sorted(moments.items()):
        sql.run("engagement", "mark_dirty_days", {"account": account, "moments": each, "zone": zone})


@transaction.atomic
def add_tag(*, conversation: Conversation, name: str, by: User) -> Tag:
    """Put a word on a conversation; the tag is made where nobody used it before."""
    check(by, "conversation.assign")
    name = " ".join(clean_text(name).split())[:60]
    if not name:
        raise ValidationError(_("Type a word."))
    conversation = lock_conversation(conversation.pk)
    if conversation.conversation_tags.count() >= MAX_TAGS:
        raise ValidationError(_("A conversation carries %(most)s tags at most.") % {"most": MAX_TAGS})
    tag = Tag.objects.filter(name__iexact=name).first() or Tag.objects.create(name=name)
    _put, made = ConversationTag.objects.get_or_create(conversation=conversation, tag=tag)
    if made:
        _record(conversation, "tagged", by=by, tag=tag.pk, name=tag.name)
        follow_tags([conversation.pk])
    return tag


@transaction.atomic
def remove_tag(*, conversation: Conversation, tag: Tag, by: User) -> None:
    """Take a word off a conversation."""
    check(by, "conversation.assign")
    gone, _models = ConversationTag.objects.filter(conversation=conversation, tag=tag).delete()
    if gone:
        _record(conversation, "untagged", by=by, tag=tag.pk, name=tag.name)
        follow_tags([conversation.pk])


def mark_read(*, conversation: Conversation, by: User) -> None:
    """Everything said in it so far is known to this person."""
    _set_mark(conversation, by, max(timezone.now(), conversation.last_at))


def mark_unread(*, conversation: Conversation, by: User) -> None:
    """Show it as new to this person again."""
    seen = conversation.last_inbound_at or conversation.last_at
    _set_mark(conversation, by, seen - timedelta(microseconds=1))


def _set_mark(conversation: Conversation, by: User, at: datetime) -> None:
    ReadMark.objects.bulk_create(
        [ReadMark(user=by, conversation=conversation, read_at=at)],
        update_conflicts=True,
        unique_fields=["user", "conversation"],
        update_fields=["read_at"],
    )


def save_draft(*, conversation: Conversation, by: User, text: str, is_note: bool) -> None:
    """Keep what somebody began to write; nothing left of it forgets it."""
    text = clean_text(text)[:MAX_DRAFT]
    if not text.strip():
        Draft.objects.filter(user=by, conversation=conversation, is_note=is_note).delete()
        return
    Draft.objects.bulk_create(
        [Draft(user=by, conversation=conversation, is_note=is_note, text=text, updated_at=timezone.now())],
        update_conflicts=True,
        unique_fields=["user", "conversation", "is_note"],
        update_fields=["text", "updated_at"],
    )


def wake_snoozed(*, limit: int = 200) -> int:
    """Open every conversation whose snooze has ended; how many."""
    due = Conversation.objects.filter(status=Status.SNOOZED, snoozed_until__lte=timezone.now())
    found = due.order_by("snoozed_until").values_list("pk", flat=True)[:limit]
    return sum(_wake(pk) for pk in list(found))


@transaction.atomic
def _wake(pk: int) -> bool:
    conversation = lock_conversation(pk)
    until = conversation.snoozed_until
    if conversation.status != Status.SNOOZED or until is None or until > timezone.now():
        return False
    set_status(conversation=conversation, status=Status.OPEN, by=None)
    if conversation.assignee_id:
        emit("conversation.woke", channels=[f"user:{conversation.assignee_id}"], conversation=conversation.pk)
    return True


def _record(
    conversation: Conversation, type: str, *, by: User | None, teams: tuple[int, ...] = (), **detail: Any
) -> None:
    ConversationEvent.objects.create(
        conversation=conversation, team_id=conversation.team_id, type=type, actor=by, detail=detail
    )
    tell(conversation, type, by=by, teams=teams)
