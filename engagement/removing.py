"""Taking interactions out again: their conversations follow from what is left, or go with their last line."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from django.core.files.storage import default_storage
from django.db import connection, transaction

from core.imports import NEW
from core.models import ImportedRow, ImportRun
from crm.models import CustomerTouch
from engagement.conversations import mark_days
from engagement.ingest.store import refresh_conversations
from engagement.media import names_of
from engagement.models import Attachment, ChannelAccount, Conversation, ConversationEvent, Interaction


def undo_interactions(run: ImportRun, rows: Sequence[ImportedRow]) -> Mapping[int, str]:
    """What an import brought goes; lines of a conversation that went on since stay, and edits too.

    Authors who came with the file stay as customers: an empty record harms nobody.
    """
    stay = {row.pk: "it changed a line that was here before" for row in rows if row.outcome != NEW}
    ids = [row.object_id for row in rows if row.object_id and row.pk not in stay]
    found = dict(Interaction.objects.filter(pk__in=ids).values_list("pk", "conversation_id"))
    went_on = _went_on(run, {pk for pk in found.values() if pk is not None})
    for row in rows:
        if row.pk not in stay and found.get(row.object_id or 0) in went_on:
            stay[row.pk] = "the conversation went on since"
    remove_interactions([row.object_id for row in rows if row.object_id and row.pk not in stay])
    return stay


def _went_on(run: ImportRun, conversations: Iterable[int]) -> set[int]:
    """Conversations in which somebody spoke or did something since the import began."""
    ids, since = sorted(conversations), run.started_at
    imported = ImportedRow.objects.filter(run=run, object_id__isnull=False).values("object_id")
    said = Interaction.objects.filter(conversation__in=ids, received_at__gt=since).exclude(pk__in=imported)
    done = ConversationEvent.objects.filter(conversation__in=ids, at__gt=since, actor__isnull=False)
    return {pk for part in (said, done) for pk in part.values_list("conversation_id", flat=True) if pk}


@transaction.atomic
def remove_interactions(ids: Sequence[int]) -> None:
    """Delete interactions with what hangs on them, and conversations that nobody speaks in any more."""
    said = Interaction.objects.filter(pk__in=ids)
    conversations = {pk for pk in said.values_list("conversation_id", flat=True) if pk is not None}
    held = list(Conversation.objects.select_for_update().filter(pk__in=conversations).order_by("pk"))
    touched = {pk for pk in said.values_list("customer_id", flat=True) if pk is not None}
    touched |= {one.customer_id for one in held if one.customer_id is not None}
    mark_days(said)
    files = names_of(Attachment.objects.filter(interaction__in=ids))
    said.delete()
    left = set(
        Interaction.objects.filter(conversation__in=conversations).values_list("conversation_id", flat=True)
    )
    Conversation.objects.filter(pk__in=conversations - left).delete()
    by_account: dict[int, list[int]] = defaultdict(list)
    for one in held:
        if one.pk in left:
            by_account[one.account_id].append(one.pk)
    for account in ChannelAccount.objects.filter(pk__in=by_account).order_by("pk"):
        refresh_from_lines(account, by_account[account.pk])
    CustomerTouch.objects.bulk_create([CustomerTouch(customer_id=pk) for pk in sorted(touched)])
    transaction.on_commit(partial(_delete_files, files), robust=True)


def refresh_from_lines(account: ChannelAccount, conversations: Sequence[int]) -> None:
    """Owner, times, count and last line of conversations of which lines were taken, from those left."""
    lines = Interaction.objects.filter(conversation_id__in=conversations)
    oldest = lines.order_by("conversation_id", "occurred_at", "pk").distinct("conversation_id")
    refresh_conversations(account, list(oldest.values_list("pk", flat=True)))
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
            [list(conversations)],
        )


def _delete_files(names: Sequence[str]) -> None:
    for name in names:
        default_storage.delete(name)
