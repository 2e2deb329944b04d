"""Erasing what somebody said, and what was said to them.

A conversation that holds nobody else goes with all that hangs on it, our own answers included. One that holds
others keeps their lines and ours: this person's lines go, and what the rest repeats of them is blotted out.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.files.base import ContentFile
from django.db import connection
from django.db.models import Q, QuerySet

from core import sql
from core.privacy import Erasing, Subject
from crm.erased import interaction_key, thread_key
from crm.privacy.words import ERASED, Quotations, blot_all
from engagement import privacy_raw
from engagement.channels import connector
from engagement.models import (
    Attachment,
    ChatVisitor,
    ContactLedger,
    Conversation,
    ConversationEvent,
    Delivery,
    Draft,
    Interaction,
    MailContent,
    PendingChange,
    Thread,
)

BATCH = 2_000
TEXT_FILE_BYTES = 20 * 1024 * 1024
_ANSWER = re.compile(r"^(?:(?:re|aw|fwd?|wg|antw|sv|vs)\s*:\s*)+", re.IGNORECASE)
Blot = Callable[[str], str]


@dataclass
class _Mixed:
    """A conversation that stays, and what this person said in it."""

    texts: list[str] = field(default_factory=list)
    subjects: set[str] = field(default_factory=set)
    external_ids: list[str] = field(default_factory=list)


def erase_said(erasing: Erasing) -> None:
    """Everything of this app that names, quotes or addresses the person."""
    own = list(_own(erasing.subject).order_by("pk").values_list("pk", flat=True))
    gone, mixed = _sort_conversations(erasing.subject, own)
    said = _said_in(own, mixed)
    _note_keys(erasing, own, gone)
    _delete_contacts(erasing)
    _delete_interactions(erasing, [*own, *_interactions_of(gone)])
    _delete_conversations(erasing, gone)
    _delete_visitors(erasing)
    for conversation_id in mixed:
        _clean(erasing, conversation_id, said.get(conversation_id, _Mixed()))
    _refresh(erasing.subject, mixed)
    privacy_raw.erase_raw(erasing)


def _own(subject: Subject) -> QuerySet[Interaction]:
    theirs = Q(customer_id__in=subject.customers) | Q(identity_id__in=subject.identities)
    return Interaction.objects.filter(theirs)


def _sort_conversations(subject: Subject, own: Sequence[int]) -> tuple[list[int], list[int]]:
    """The conversations that go whole, and those that others take part in."""
    theirs = Q(customer_id__in=subject.customers) | Q(identity_id__in=subject.identities)
    found = set(Conversation.objects.filter(theirs).values_list("pk", flat=True))
    found |= set(
        Conversation.objects.filter(participants__identity_id__in=subject.identities).values_list(
            "pk", flat=True
        )
    )
    for ids in _batches(own):
        lines = Interaction.objects.filter(pk__in=ids, conversation__isnull=False)
        found |= set(lines.values_list("conversation_id", flat=True))
    others = Interaction.objects.filter(conversation_id__in=found, direction="inbound")
    others = others.exclude(identity_id__in=subject.identities).exclude(customer_id__in=subject.customers)
    mixed = set(others.values_list("conversation_id", flat=True))
    return sorted(found - mixed), sorted(mixed)


def _said_in(own: Sequence[int], mixed: Sequence[int]) -> Mapping[int, _Mixed]:
    """What they said in conversations that stay, read before it goes."""
    said: dict[int, _Mixed] = defaultdict(_Mixed)
    for ids in _batches(own):
        rows = Interaction.objects.filter(pk__in=ids, conversation_id__in=mixed)
        for conversation_id, text, subject, external_id in rows.values_list(
            "conversation_id", "text", "subject", "external_id"
        ):
            one = said[conversation_id]
            one.texts += [text, subject]
            one.subjects.add(_bare(subject))
            one.external_ids.append(external_id)
    return said


def _note_keys(erasing: Erasing, own: Sequence[int], gone: Sequence[int]) -> None:
    """What a later pull must not bring back: their messages, and ours in threads that were theirs alone."""
    for ids in _batches([*own, *_interactions_of(gone)]):
        rows = Interaction.objects.filter(pk__in=ids).values_list("account_id", "external_id")
        erasing.keys.update(interaction_key(*row) for row in rows)
    for ids in _batches(gone):
        threads = Thread.objects.filter(conversation_id__in=ids, conversation__is_public=False)
        erasing.keys.update(thread_key(*row) for row in threads.values_list("account_id", "thread_key"))


def _interactions_of(conversations: Sequence[int]) -> list[int]:
    found: list[int] = []
    for ids in _batches(conversations):
        rows = Interaction.objects.filter(conversation_id__in=ids).order_by("pk")
        found += rows.values_list("pk", flat=True)
    return found


# What goes


def _delete_contacts(erasing: Erasing) -> None:
    subject = erasing.subject
    theirs = Q(customer_id__in=subject.customers) | Q(identity_id__in=subject.identities)
    erasing.count(ContactLedger, ContactLedger.objects.filter(theirs).delete()[0])


def _delete_interactions(erasing: Erasing, found: Iterable[int]) -> None:
    """Interactions and all that hangs on them; their files once the transaction is through."""
    for ids in _batches(sorted(set(found))):
        files = Attachment.objects.filter(interaction_id__in=ids).exclude(file="")
        erasing.files += files.values_list("file", flat=True)
        waiting = Interaction.objects.filter(pk__in=ids).values_list("account_id", "external_id")
        _delete_pending(erasing, list(waiting))
        _count_all(erasing, Interaction.objects.filter(pk__in=ids).delete()[1])


def _delete_pending(erasing: Erasing, found: Sequence[tuple[int, str]]) -> None:
    """Changes that still wait for one of these interactions."""
    by_account: dict[int, list[str]] = defaultdict(list)
    for account_id, external_id in found:
        by_account[account_id].append(external_id)
    for account_id, ids in by_account.items():
        rows = PendingChange.objects.filter(account_id=account_id, external_id__in=ids)
        erasing.count(PendingChange, rows.delete()[0])


def _delete_conversations(erasing: Erasing, gone: Sequence[int]) -> None:
    for ids in _batches(gone):
        _count_all(erasing, Conversation.objects.filter(pk__in=ids).delete()[1])


def _delete_visitors(erasing: Erasing) -> None:
    """Browsers of theirs: their tokens stop working, and whoever writes by one is somebody new."""
    visitors = ChatVisitor.objects.filter(identity_id__in=erasing.subject.identities)
    _count_all(erasing, visitors.delete()[1])


def _count_all(erasing: Erasing, deleted: Mapping[str, int]) -> None:
    from django.apps import apps

    for label, rows in deleted.items():
        erasing.count(apps.get_model(label), rows)


# What stays, without them


def _clean(erasing: Erasing, conversation_id: int, said: _Mixed) -> None:
    quotations = Quotations(said.texts)

    def blot(text: str) -> str:
        return quotations.blot(erasing.words.blot_nearby(_without(text, said.external_ids)))

    def blot_quoted(text: str) -> str:
        return quotations.blot_quoted(blot(text))

    _clean_lines(erasing, conversation_id, blot, said)
    _clean_mails(erasing, conversation_id, blot, blot_quoted)
    _clean_outbox(erasing, conversation_id, blot)
    _clean_files(erasing, conversation_id, blot)
    for draft in Draft.objects.filter(conversation_id=conversation_id):
        _save(erasing, draft, text=blot(draft.text))
    for event in ConversationEvent.objects.filter(conversation_id=conversation_id).exclude(detail={}):
        _save(erasing, event, detail=blot_all(event.detail, blot))
    for thread in Thread.objects.filter(conversation_id=conversation_id):
        if _without(erasing.words.blot(thread.thread_key), said.external_ids) != thread.thread_key:
            erasing.count(Thread, thread.delete()[0])


def _clean_lines(erasing: Erasing, conversation_id: int, blot: Blot, said: _Mixed) -> None:
    for line in Interaction.objects.filter(conversation_id=conversation_id).iterator(chunk_size=500):
        answered = "" if line.in_reply_to in said.external_ids else line.in_reply_to
        _save(
            erasing,
            line,
            text=blot(line.text),
            subject=_subject(line.subject, said, blot),
            in_reply_to=answered,
        )
    conversation = Conversation.objects.get(pk=conversation_id)
    _save(erasing, conversation, subject=_subject(conversation.subject, said, blot))


def _clean_mails(erasing: Erasing, conversation_id: int, blot: Blot, blot_quoted: Blot) -> None:
    for mail in MailContent.objects.filter(interaction__conversation_id=conversation_id).iterator(
        chunk_size=200
    ):
        _save(
            erasing,
            mail,
            html=blot(mail.html),
            quoted=blot_quoted(mail.quoted),
            headers=blot_all(mail.headers, blot),
        )


def _clean_outbox(erasing: Erasing, conversation_id: int, blot: Blot) -> None:
    """Nothing that waits is sent to them; a copy to them is struck from the list."""
    for delivery in Delivery.objects.filter(conversation_id=conversation_id):
        payload = {
            name: [one for one in value if blot(str(one)) == str(one)] if name in ("cc", "bcc") else value
            for name, value in delivery.payload.items()
        }
        _save(erasing, delivery, payload=blot_all(payload, blot), failure_text=blot(delivery.failure_text))


def _clean_files(erasing: Erasing, conversation_id: int, blot: Blot) -> None:
    """Names of files, and the content of those that are text."""
    for file in Attachment.objects.filter(interaction__conversation_id=conversation_id):
        _save(erasing, file, name=blot(file.name))
        if file.file and file.content_type.startswith("text/") and file.size <= TEXT_FILE_BYTES:
            _clean_content(erasing, file, blot)


def _clean_content(erasing: Erasing, file: Attachment, blot: Blot) -> None:
    try:
        with file.file.open("rb") as stream:
            text = stream.read().decode("utf-8", "replace")
    except OSError:
        return
    clean = blot(text)
    if clean == text:
        return
    erasing.files.append(str(file.file.name))
    content = clean.encode()
    file.size = len(content)
    file.file.save(f"{file.interaction_id}", ContentFile(content), save=False)
    file.save(update_fields=["file", "size"])
    erasing.count(Attachment, 1)


def _save(erasing: Erasing, row: Any, **values: Any) -> None:
    """Write what differs, in the column's length."""
    changed = {}
    for name, value in values.items():
        if value == getattr(row, name):
            continue
        length = getattr(row._meta.get_field(name), "max_length", None)
        changed[name] = value[:length] if length and isinstance(value, str) else value
    if changed:
        type(row).objects.filter(pk=row.pk).update(**changed)
        erasing.count(type(row), 1)


def _subject(subject: str, said: _Mixed, blot: Blot) -> str:
    """A subject that repeats theirs is theirs."""
    bare = _bare(subject)
    if bare and bare in said.subjects:
        return subject[: len(subject) - len(bare)] + ERASED
    return blot(subject)


def _bare(subject: str) -> str:
    return _ANSWER.sub("", subject).strip()


def _without(text: str, external_ids: Sequence[str]) -> str:
    """Without the network's ids of their messages, which mails repeat in their headers."""
    for one in external_ids:
        if len(one) > 5 and one in text:
            text = text.replace(one, ERASED)
    return text


def _refresh(subject: Subject, mixed: Sequence[int]) -> None:
    """Owner, times, count and last line of conversations that stay, from the lines that are left."""
    for ids in _batches(mixed):
        theirs = Q(customer_id__in=subject.customers) | Q(identity_id__in=subject.identities)
        owned = Conversation.objects.filter(theirs, pk__in=ids)
        owned.update(customer=None, home_customer=None, identity=None)
        by_window: dict[int | None, list[int]] = defaultdict(list)
        rows = Conversation.objects.filter(pk__in=ids).select_related("account")
        for conversation in rows:
            by_window[connector(conversation.account.connector).reply_window_hours].append(conversation.pk)
        for hours, own in by_window.items():
            _refresh_some(own, f"{hours} hours" if hours else None)


def _refresh_some(ids: Sequence[int], window: str | None) -> None:
    oldest = Interaction.objects.filter(conversation_id__in=ids).order_by(
        "conversation_id", "occurred_at", "pk"
    )
    lines = list(oldest.distinct("conversation_id").values_list("pk", flat=True))
    sql.rows("engagement", "refresh_conversations", {"ids": lines, "window": window, "history_before": None})
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE engagement_conversation c SET count = counted.n
            FROM (
                SELECT conversation_id, count(*) FILTER (WHERE direction <> 'internal') AS n
                FROM engagement_interaction WHERE conversation_id = ANY(%s) GROUP BY conversation_id
            ) counted
            WHERE c.id = counted.conversation_id
            """,
            [list(ids)],
        )


def _batches(ids: Iterable[int]) -> Iterable[list[int]]:
    found = list(ids)
    for start in range(0, len(found), BATCH):
        yield found[start : start + BATCH]


# What they are known by here, and whether a word is in everybody's mouth


def words(subject: Subject) -> Mapping[str, Sequence[str]]:
    """What somebody typed into the chat of a website about themselves."""
    found: dict[str, list[str]] = {"name": [], "email": [], "id": []}
    for visitor in ChatVisitor.objects.filter(identity_id__in=subject.identities):
        found["name"].append(visitor.name)
        found["email"].append(visitor.email)
        found["id"].append(visitor.identifier)
    return found


COMMON_FROM = 3
"""So many conversations of others in which a word stands make it a word of the language."""


def said_by_others(asked: Sequence[str], subject: Subject) -> set[str]:
    """Those of these single words that customers use elsewhere, in lower case, as they use any word."""
    found: set[str] = set()
    for word in asked:
        if re.fullmatch(r"[^\W\d_]+", word) is None:
            continue
        with connection.cursor() as cursor:
            cursor.execute(
                """
                SELECT count(DISTINCT conversation_id) FROM (
                    SELECT conversation_id FROM engagement_interaction
                    WHERE to_tsvector('simple'::regconfig, COALESCE(text, ''))
                          @@ plainto_tsquery('simple', %s)
                      AND text ~ %s AND direction = 'inbound' AND NOT (customer_id = ANY(%s))
                    LIMIT 200
                ) found
                """,
                [word, rf"(^|[^@[:alnum:]]){word.lower()}\M", list(subject.customers)],
            )
            if (cursor.fetchone() or (0,))[0] >= COMMON_FROM:
                found.add(word)
    return found
