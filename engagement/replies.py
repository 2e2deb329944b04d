"""What staff write to customers: a reply is an interaction and its delivery, written in one transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from fnmatch import fnmatch
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.db import IntegrityError, transaction
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.permissions import check
from core import sql
from core.events import emit
from core.models import Workspace
from core.text import clean_text
from crm.arrivals import hold_owner, own_identities
from crm.identities import BadIdentity, normalize
from crm.models import Identity
from engagement.channels import connector
from engagement.channels.base import Connector, Direction, Kind, Limits
from engagement.ingest.store import refresh_conversations
from engagement.models import (
    Attachment,
    ChannelAccount,
    ContactLedger,
    Conversation,
    ConversationEvent,
    Delivery,
    Interaction,
    Status,
    Thread,
)
from engagement.telling import tell

APP = "engagement"
LEDGER_WINDOW = timedelta(days=30)


@transaction.atomic
def reply(
    *,
    conversation: Conversation,
    by: User,
    text: str,
    client_key: UUID,
    cc: Sequence[str] = (),
    bcc: Sequence[str] = (),
    subject: str = "",
    html: str = "",
    files: Sequence[UploadedFile] = (),
) -> Interaction:
    """Store an answer and queue it; the same `client_key` again returns the first one.

    Raises ValidationError when the channel cannot carry it: too long, window closed, no way to answer.
    """
    check(by, "conversation.reply")
    if conversation.identity_id is not None:
        hold_owner(conversation.identity_id)
    conversation = lock_conversation(conversation.pk)
    repeated = _written_before(conversation, client_key)
    if repeated is not None:
        return repeated
    text = clean_text(text).strip()
    _refuse_unsendable(conversation, text=text, cc=[*cc, *bcc], files=files)
    subject = clean_text(subject).strip()[:300] or _reply_subject(conversation)
    payload = {"cc": list(cc), "bcc": list(bcc), "html": html, "subject": subject}
    interaction, delivery = _store(
        conversation, by=by, text=text, client_key=client_key, payload=payload, files=files
    )
    _follow(conversation, interaction, delivery, by=by, origin="reply")
    return interaction


@transaction.atomic
def start_conversation(
    *,
    account: ChannelAccount,
    to: str,
    text: str,
    by: User,
    client_key: UUID,
    subject: str = "",
    cc: Sequence[str] = (),
    bcc: Sequence[str] = (),
    files: Sequence[UploadedFile] = (),
) -> Conversation:
    """Write first to an address; an existing conversation with the same thread is gone on with.

    Raises ValidationError for an address that cannot be one, or a channel that cannot write first.
    """
    check(by, "conversation.reply")
    link = connector(account.connector)
    if not link.may_start(account.network):
        raise ValidationError(_("%(name)s cannot write first.") % {"name": account.name})
    known = Delivery.objects.filter(client_key=client_key).select_related("conversation").first()
    if known is not None:
        return known.conversation
    identity = _identity_for(account, to)
    external_id = link.new_external_id(account, str(client_key))
    conversation = _open_thread(account, identity, external_id, subject=subject, by=by)
    text = clean_text(text).strip()
    _refuse_unsendable(conversation, text=text, cc=[*cc, *bcc], files=files)
    payload = {"cc": list(cc), "bcc": list(bcc), "html": "", "subject": clean_text(subject).strip()[:300]}
    interaction, delivery = _store(
        conversation, by=by, text=text, client_key=client_key, payload=payload, files=files
    )
    _follow(conversation, interaction, delivery, by=by, origin="started")
    return conversation


def contacts_made(customer_id: int | None, *, now: datetime | None = None) -> int:
    """How many messages we sent to this customer in the last 30 days, whatever their origin."""
    if customer_id is None:
        return 0
    since = (now or timezone.now()) - LEDGER_WINDOW
    return ContactLedger.objects.filter(customer_id=customer_id, at__gte=since).count()


def reply_problem(conversation: Conversation) -> str:
    """Why this conversation cannot be answered here just now, '' when it can."""
    link = connector(conversation.account.connector)
    if not link.can_reply:
        return _("Messages of this channel are answered in the system that sent them to us.")
    if conversation.identity_id is None:
        return _("Nobody wrote in this conversation yet, so there is no one to answer.")
    if conversation.reply_until and conversation.reply_until < timezone.now():
        return _("The time in which %(channel)s lets us answer has ended.") % {"channel": link.label}
    if not conversation.account.is_active:
        return _("The channel “%(name)s” was disconnected.") % {"name": conversation.account.name}
    return ""


def counts_own_way(link: Connector) -> bool:
    """Whether a text's length is not its number of characters there, so that only we can tell it."""
    return type(link).count_length is not Connector.count_length


def lock_conversation(pk: int) -> Conversation:
    """The conversation under lock, its threads first and by id, as ingest does."""
    list(Thread.objects.filter(conversation_id=pk).order_by("pk").select_for_update(no_key=True))
    locked = Conversation.objects.select_related("account").select_for_update(of=("self",), no_key=True)
    return locked.get(pk=pk)


def _written_before(conversation: Conversation, client_key: UUID) -> Interaction | None:
    known = Delivery.objects.filter(client_key=client_key).select_related("interaction").first()
    if known is None:
        return None
    if known.conversation_id != conversation.pk:
        raise ValidationError(_("This message was written in another conversation already."))
    return known.interaction


def _refuse_unsendable(
    conversation: Conversation, *, text: str, cc: Sequence[str], files: Sequence[UploadedFile]
) -> None:
    link = connector(conversation.account.connector)
    problem = reply_problem(conversation)
    if problem:
        raise ValidationError(problem, code="closed")
    if not text and not files:
        raise ValidationError(_("Write something first."), code="empty")
    length, most = link.length_of(text), limits_of(conversation).length
    if length > most:
        words = _("This is %(n)s characters long; %(channel)s takes %(most)s.")
        raise ValidationError(words % {"n": length, "channel": link.label, "most": most}, code="long")
    if cc and not link.has_cc:
        raise ValidationError(_("%(channel)s knows no copies.") % {"channel": link.label})
    for address in cc:
        _checked_address(address)
    if files:
        _refuse_files(conversation, files)


def limits_of(conversation: Conversation) -> Limits:
    """What one message of this conversation may hold; no files where the connector takes none."""
    link = connector(conversation.account.connector)
    limits = link.limits(conversation.account, public=conversation.is_public)
    return limits if link.takes_files else replace(limits, files=0)


def _refuse_files(conversation: Conversation, files: Sequence[UploadedFile]) -> None:
    link, limits = connector(conversation.account.connector), limits_of(conversation)
    if not limits.files:
        raise ValidationError(_("%(channel)s takes no files here.") % {"channel": link.label}, code="files")
    if len(files) > limits.files:
        words = _("%(channel)s takes at most %(most)s files in one message.")
        raise ValidationError(words % {"channel": link.label, "most": limits.files}, code="files")
    for file in files:
        names = {"name": file.name, "channel": link.label, "most": filesizeformat(limits.file_bytes)}
        if (file.size or 0) > limits.file_bytes:
            words = _("“%(name)s” is too large: %(channel)s takes files up to %(most)s.")
            raise ValidationError(words % names, code="files")
        if limits.file_types and not any(fnmatch(file.content_type or "", one) for one in limits.file_types):
            words = _("“%(name)s” is of a kind that %(channel)s does not take.")
            raise ValidationError(words % names, code="files")
    if sum(file.size or 0 for file in files) > link.max_attachment_bytes:
        words = _("The files are larger than %(most)s together.")
        raise ValidationError(words % {"most": filesizeformat(link.max_attachment_bytes)}, code="files")


def _checked_address(address: str) -> str:
    try:
        return normalize("email", address)
    except BadIdentity as error:
        raise ValidationError(str(error)) from error


def _reply_subject(conversation: Conversation) -> str:
    if not conversation.subject or not connector(conversation.account.connector).has_subject:
        return ""
    said = conversation.subject
    return said if said.lower().startswith("re:") else f"Re: {said}"[:300]


def _store(
    conversation: Conversation,
    *,
    by: User,
    text: str,
    client_key: UUID,
    payload: Mapping[str, object],
    files: Sequence[UploadedFile],
) -> tuple[Interaction, Delivery]:
    account = conversation.account
    link = connector(account.connector)
    heard = _last_heard(conversation)
    try:
        with transaction.atomic():
            interaction = Interaction.objects.create(
                account=account,
                external_id=link.new_external_id(account, str(client_key)),
                conversation=conversation,
                team_id=conversation.team_id,
                staff=by,
                staff_name=by.display_name,
                kind=Kind.COMMENT if conversation.is_public else Kind.MESSAGE,
                direction=Direction.OUTBOUND,
                is_public=conversation.is_public,
                occurred_at=timezone.now(),
                subject=str(payload["subject"]),
                text=text,
                in_reply_to=heard.external_id if heard else "",
                post_id=conversation.post_id,
            )
            delivery = Delivery.objects.create(
                interaction=interaction,
                account=account,
                conversation=conversation,
                client_key=client_key,
                payload=payload,
            )
    except IntegrityError as error:
        raise ValidationError(_("This message was written in another conversation already.")) from error
    store_files(interaction, files)
    _remember_threads(conversation, link.answer_keys(account, interaction.external_id))
    return interaction, delivery


def _remember_threads(conversation: Conversation, keys: Sequence[str]) -> None:
    """An answer to this message leads back to its conversation, even if it names nothing else."""
    if not keys:
        return
    sql.run(APP, "store_threads", {"account": conversation.account_id, "keys": list(keys)})
    rows = Thread.objects.filter(account_id=conversation.account_id, thread_key__in=keys)
    rows.filter(conversation__isnull=True).update(conversation=conversation)


def _last_heard(conversation: Conversation) -> Interaction | None:
    inbound = Interaction.objects.filter(conversation=conversation, direction=Direction.INBOUND)
    return inbound.order_by("-occurred_at", "-id").first()


def store_files(interaction: Interaction, files: Sequence[UploadedFile]) -> None:
    """Keep the files of a message in Django's storage."""
    for file in files:
        name = clean_text(file.name or "file").replace("/", "_")[:200]
        kept = Attachment(
            interaction=interaction,
            name=name,
            content_type=(file.content_type or "")[:120],
            size=file.size or 0,
        )
        kept.file.save(name[-80:], file, save=False)
        kept.save()


def _follow(
    conversation: Conversation, interaction: Interaction, delivery: Delivery, *, by: User, origin: str
) -> None:
    """What a message of ours changes: clocks, who handles it, the ledger, traits, rollups, other windows."""
    refresh_clocks(conversation, interaction)
    if conversation.assignee_id is None:
        Conversation.objects.filter(pk=conversation.pk).update(assignee=by)
        ConversationEvent.objects.create(
            conversation=conversation,
            team_id=conversation.team_id,
            type="assigned",
            actor=by,
            detail={"to": by.pk, "name": by.display_name, "by_answering": True},
        )
    _note_contact(conversation, delivery, by=by, origin=origin)
    tell(conversation, "reply", by=by, interaction=interaction.pk)
    emit("delivery.queued", delivery=delivery.pk, conversation=conversation.pk)
    queue_delivery(delivery.pk)


def _note_contact(conversation: Conversation, delivery: Delivery, *, by: User, origin: str) -> None:
    if conversation.identity_id is None:
        return
    owner = hold_owner(conversation.identity_id)
    ContactLedger.objects.create(
        home_customer_id=owner.home_customer_id,
        customer_id=owner.customer_id,
        identity_id=owner.identity_id,
        delivery=delivery,
        origin=origin,
        staff=by,
    )


def refresh_clocks(conversation: Conversation, interaction: Interaction) -> None:
    """Read again from its interactions what the conversation shows: last line, waiting, due."""
    refresh_conversations(conversation.account, [interaction.pk])
    seen = [{"customer_id": conversation.customer_id}] if conversation.customer_id else []
    sql.run(APP, "touch_customers", {"seen": json.dumps(seen)})
    moments, zone = [interaction.occurred_at], Workspace.current().zone
    sql.run(APP, "mark_dirty_days", {"account": interaction.account_id, "moments": moments, "zone": zone})


def queue_delivery(delivery_id: int) -> None:
    """Send it right after the commit; where Redis is away, the sweep of the outbox finds it."""
    from engagement.tasks import send_delivery

    transaction.on_commit(lambda: send_delivery.delay(delivery_id), robust=True)


# Writing first


def _identity_for(account: ChannelAccount, to: str) -> Identity:
    """The identity behind an address, made with a customer of its own where nobody has it yet."""
    try:
        external_id = normalize(account.network, to, country=Workspace.current().country)
    except BadIdentity as error:
        raise ValidationError(str(error)) from error
    author = {
        "network": account.network,
        "issuer": account.issuer,
        "external_id": external_id,
        "handle": to.strip(),
        "name": "",
        "verified": False,
    }
    (owner,) = own_identities([author], source="started").values()
    return Identity.objects.get(pk=owner.identity_id)


def _open_thread(
    account: ChannelAccount, identity: Identity, external_id: str, *, subject: str, by: User
) -> Conversation:
    key = connector(account.connector).thread_key_for(account, identity.external_id, external_id)
    sql.run(APP, "store_threads", {"account": account.pk, "keys": [key]})
    thread = Thread.objects.select_for_update(no_key=True).get(account=account, thread_key=key)
    if thread.conversation_id is not None:
        return _go_on(lock_conversation(thread.conversation_id), by=by)
    now = timezone.now()
    conversation = Conversation.objects.create(
        account=account,
        team_id=account.team_id,
        identity=identity,
        customer_id=identity.customer_id,
        home_customer_id=identity.home_customer_id,
        subject=clean_text(subject).strip()[:300],
        assignee=by,
        first_at=now,
        last_at=now,
    )
    thread.conversation = conversation
    thread.save(update_fields=["conversation"])
    conversation.participants.create(identity=identity, role="owner")
    ConversationEvent.objects.create(
        conversation=conversation, team_id=account.team_id, type="started", actor=by
    )
    return conversation


def _go_on(conversation: Conversation, *, by: User) -> Conversation:
    if conversation.status != Status.OPEN:
        conversation.status, conversation.snoozed_until, conversation.resolved_at = Status.OPEN, None, None
        conversation.save(update_fields=["status", "snoozed_until", "resolved_at"])
        ConversationEvent.objects.create(
            conversation=conversation, team_id=conversation.team_id, type="reopened", actor=by
        )
    return conversation
