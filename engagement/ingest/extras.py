"""What hangs on interactions: posts, mail content, files, participants, and changes that came first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from django.core.files.base import ContentFile

from core.text import clean_text
from crm.arrivals import Owner
from crm.identities import IdentityKey
from engagement.channels.base import Change, File, PostRef
from engagement.ingest.posts import store_named_posts
from engagement.ingest.prepare import Prepared
from engagement.media import queue_files
from engagement.models import (
    Attachment,
    ChannelAccount,
    FileState,
    MailContent,
    Participant,
    PendingChange,
    Post,
    VisitContent,
)


def store_posts(account: ChannelAccount, page: Sequence[Prepared]) -> dict[str, int]:
    """Our posts that the page's events react to, by the network's id; made where they are new."""
    refs: dict[str, PostRef] = {one.event.post.external_id: one.event.post for one in page if one.event.post}
    if not refs:
        return {}
    store_named_posts(account, list(refs.values()))
    found = Post.objects.filter(account=account, external_id__in=refs)
    return dict(found.values_list("external_id", "id"))


def store_extras(
    page: Sequence[Prepared], ids: Mapping[str, int], owners: Mapping[IdentityKey, Owner]
) -> None:
    """Participants, mail content, visits and files of the interactions that were stored now."""
    fresh = [one for one in page if one.event.external_id in ids]
    _store_participants(fresh, owners)
    mails = [
        MailContent(
            interaction_id=ids[one.event.external_id],
            html=one.event.html,
            quoted=str(one.event.meta.get("quoted", "")),
            headers=one.event.meta.get("headers", {}),
        )
        for one in fresh
        if one.event.html or one.event.meta
    ]
    if mails:
        MailContent.objects.bulk_create(mails)
    visits = [
        VisitContent(interaction_id=ids[one.event.external_id], **asdict(one.event.visit))
        for one in fresh
        if one.event.visit
    ]
    if visits:
        VisitContent.objects.bulk_create(visits)
    files = [attachment(ids[one.event.external_id], file) for one in fresh for file in one.event.files]
    if files:
        made = Attachment.objects.bulk_create(files)
        queue_files([one.pk for one in made if one.state == FileState.WAITING])


def _store_participants(fresh: Sequence[Prepared], owners: Mapping[IdentityKey, Owner]) -> None:
    wanted: dict[tuple[int, int], Participant] = {}
    for one in fresh:
        if one.conversation_id is None or not one.participants:
            continue
        people = [("owner", one.author)] if one.author else []
        for role, key in [*people, *one.participants]:
            identity = owners[key].identity_id
            wanted.setdefault(
                (one.conversation_id, identity),
                Participant(conversation_id=one.conversation_id, identity_id=identity, role=role),
            )
    if wanted:
        Participant.objects.bulk_create([wanted[key] for key in sorted(wanted)], ignore_conflicts=True)


def attachment(interaction_id: int, file: File) -> Attachment:
    """An unsaved attachment; its content, where there is any, is in the storage already."""
    made = Attachment(
        interaction_id=interaction_id,
        name=clean_text(file.name, limit=200) or "file",
        content_type=file.content_type[:120],
        size=file.size or len(file.content),
        content_id=file.content_id[:200],
        note=file.note[:200],
        source=file.url,
        state=FileState.WAITING if file.content or file.url else FileState.KEPT,
    )
    if file.content:
        made.file.save(f"{interaction_id}", ContentFile(file.content), save=False)
    return made


def apply_pending(account: ChannelAccount, external_ids: Sequence[str]) -> None:
    """Changes that came before their interaction are applied and forgotten."""
    from engagement.ingest.changes import apply

    kept = PendingChange.objects.filter(account=account, external_id__in=external_ids)
    waiting = list(kept.order_by("at", "id"))
    if not waiting:
        return
    found = [
        Change(
            external_id=row.external_id,
            kind=row.kind,
            at=row.at,
            text=row.payload.get("text", ""),
            status=row.payload.get("status", ""),
            error=row.payload.get("error", ""),
            rating=row.payload.get("rating"),
            files=tuple(File(**known) for known in row.payload.get("files", [])),
        )
        for row in waiting
    ]
    apply(account, list(enumerate(found)), read_text=True)
    PendingChange.objects.filter(pk__in=[row.pk for row in waiting]).delete()
