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

from core.privacy import Erasing, Subject
from crm.erased import interaction_key, thread_key
from crm.models import CustomerTouch
from crm.privacy.words import ERASED, Quotations, blot_all
from engagement import privacy_raw
from engagement.media import names_of
from engagement.models import (
    Attachment,
    ChannelAccount,
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
from engagement.removing import refresh_from_lines

BATCH = 2_000
CONVERSATIONS = 200
"""Conversations with others that are cleaned at a time."""
MAX_SUBJECT = 300
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
    for ids in _batches(mixed, CONVERSATIONS):
        _clean(erasing, ids, said)
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
        erasing.files += names_of(Attachment.objects.filter(interaction_id__in=ids))
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


class _Blots:
    """How the texts of some conversations are blotted, each by what was said in it."""

    def __init__(self, erasing: Erasing, said: Mapping[int, _Mixed]) -> None:
        self._words = erasing.words
        self._said = said
        self._quotations: dict[int, Quotations] = {}

    def said(self, conversation_id: int) -> _Mixed:
        """What this person said there; nothing where they were only written to."""
        return self._said.get(conversation_id, _NOTHING)

    def of(self, conversation_id: int) -> Blot:
        """Blots a text of this conversation."""
        external_ids, quotations = self.said(conversation_id).external_ids, self._quoted(conversation_id)
        return lambda text: quotations.blot(self._words.blot_nearby(_without(text, external_ids)))

    def of_quoted(self, conversation_id: int) -> Blot:
        """Blots a text all of which is quoted."""
        blot, quotations = self.of(conversation_id), self._quoted(conversation_id)
        return lambda text: quotations.blot_quoted(blot(text))

    def _quoted(self, conversation_id: int) -> Quotations:
        if conversation_id not in self._quotations:
            self._quotations[conversation_id] = Quotations(self.said(conversation_id).texts)
        return self._quotations[conversation_id]


_NOTHING = _Mixed()


def _clean(erasing: Erasing, ids: Sequence[int], said: Mapping[int, _Mixed]) -> None:
    """Blot out this person in all that is left of these conversations."""
    blots = _Blots(erasing, said)
    _clean_lines(erasing, ids, blots)
    _clean_mails(erasing, ids, blots)
    _clean_outbox(erasing, ids, blots)
    _clean_files(erasing, ids, blots)
    for draft in Draft.objects.filter(conversation_id__in=ids):
        _save(erasing, draft, text=blots.of(draft.conversation_id)(draft.text))
    for event in ConversationEvent.objects.filter(conversation_id__in=ids).exclude(detail={}):
        _save(erasing, event, detail=blot_all(event.detail, blots.of(event.conversation_id)))
    for thread in Thread.objects.filter(conversation_id__in=ids):
        external_ids = blots.said(thread.conversation_id or 0).external_ids
        if _without(erasing.words.blot(thread.thread_key), external_ids) != thread.thread_key:
            erasing.count(Thread, thread.delete()[0])


def _clean_lines(erasing: Erasing, ids: Sequence[int], blots: _Blots) -> None:
    changed = []
    for line in Interaction.objects.filter(conversation_id__in=ids).iterator(chunk_size=500):
        pk = line.conversation_id or 0
        said, blot = blots.said(pk), blots.of(pk)
        before = (line.text, line.subject, line.in_reply_to)
        line.text, line.subject = blot(line.text), _subject(line.subject, said, blot)[:MAX_SUBJECT]
        line.in_reply_to = "" if line.in_reply_to in said.external_ids else line.in_reply_to
        if (line.text, line.subject, line.in_reply_to) != before:
            changed.append(line)
    Interaction.objects.bulk_update(changed, ["text", "subject", "in_reply_to"], batch_size=500)
    erasing.count(Interaction, len(changed))
    for conversation in Conversation.objects.filter(pk__in=ids).exclude(subject=""):
        said, blot = blots.said(conversation.pk), blots.of(conversation.pk)
        _save(erasing, conversation, subject=_subject(conversation.subject, said, blot))


def _clean_mails(erasing: Erasing, ids: Sequence[int], blots: _Blots) -> None:
    mails = MailContent.objects.filter(interaction__conversation_id__in=ids).select_related("interaction")
    for mail in mails.iterator(chunk_size=200):
        pk = mail.interaction.conversation_id or 0
        _save(
            erasing,
            mail,
            html=blots.of(pk)(mail.html),
            quoted=blots.of_quoted(pk)(mail.quoted),
            headers=blot_all(mail.headers, blots.of(pk)),
        )


def _clean_outbox(erasing: Erasing, ids: Sequence[int], blots: _Blots) -> None:
    """Nothing that waits is sent to them; a copy to them is struck from the list."""
    for delivery in Delivery.objects.filter(conversation_id__in=ids):
        blot = blots.of(delivery.conversation_id)
        payload = {
            name: [one for one in value if blot(str(one)) == str(one)] if name in ("cc", "bcc") else value
            for name, value in delivery.payload.items()
        }
        _save(erasing, delivery, payload=blot_all(payload, blot), failure_text=blot(delivery.failure_text))


def _clean_files(erasing: Erasing, ids: Sequence[int], blots: _Blots) -> None:
    """Names of files, and the content of those that are text."""
    files = Attachment.objects.filter(interaction__conversation_id__in=ids).select_related("interaction")
    for file in files:
        blot = blots.of(file.interaction.conversation_id or 0)
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
        by_account: dict[int, list[int]] = defaultdict(list)
        for pk, account in Conversation.objects.filter(pk__in=ids).values_list("pk", "account_id"):
            by_account[account].append(pk)
        accounts = ChannelAccount.objects.in_bulk(list(by_account))
        for account_id in sorted(by_account):
            refresh_from_lines(accounts[account_id], by_account[account_id])
        _touch_speakers(ids)


def _touch_speakers(conversations: Sequence[int]) -> None:
    """Whose they are, and who else speaks there: how many others they reached is counted anew."""
    kept = Conversation.objects.filter(pk__in=conversations, customer__isnull=False)
    said = Interaction.objects.filter(conversation_id__in=conversations, customer__isnull=False)
    names = {*kept.values_list("customer_id", flat=True), *said.values_list("customer_id", flat=True)}
    CustomerTouch.objects.bulk_create([CustomerTouch(customer_id=pk) for pk in sorted(names)])


def _batches(ids: Iterable[int], size: int = BATCH) -> Iterable[list[int]]:
    found = list(ids)
    for start in range(0, len(found), size):
        yield found[start : start + size]


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
