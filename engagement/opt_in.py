"""Letters that ask for a consent go out like everything else: as a message with its delivery, by the outbox.

They are service messages: resolved at once, so that no agent finds them waiting; an answer to one opens its
conversation again.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID, uuid4

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from core import sql
from core.events import emit
from crm.consent_requests import Letter, register_mailer
from crm.identities import EMAIL
from crm.models import Identity
from engagement.channels import connector
from engagement.channels.base import Direction, Kind
from engagement.models import (
    ChannelAccount,
    ContactLedger,
    Conversation,
    ConversationEvent,
    Delivery,
    Interaction,
    Status,
    Thread,
)
from engagement.outbox import CLOSED_HEALTH
from engagement.replies import queue_delivery, refresh_clocks

ORIGIN = "service"


def register() -> None:
    """Let requests for consent go out by our mailboxes."""
    register_mailer(OutboxMailer())


class OutboxMailer:
    """Sends letters from the connected mailboxes."""

    def mailboxes(self) -> Sequence[tuple[int, str]]:
        """Mailboxes that can write first and are not waiting for new credentials, the oldest first."""
        usable = ChannelAccount.objects.active().filter(network=EMAIL)
        return [
            (account.pk, account.name)
            for account in usable.exclude(health__in=CLOSED_HEALTH).order_by("pk")
            if connector(account.connector).may_start(account.network)
        ]

    def send(self, *, identity: Identity, letter: Letter, mailbox: int, by: User | None) -> None:
        """Store the letter with its delivery and queue it."""
        account = ChannelAccount.objects.get(pk=mailbox)
        send_letter(account=account, identity=identity, letter=letter, by=by)


@transaction.atomic
def send_letter(
    *, account: ChannelAccount, identity: Identity, letter: Letter, by: User | None
) -> Interaction:
    """A message of ours to one identity, in a conversation of its own that waits for nobody.

    What is stored as its text is `letter.shown`; the words with the link stand in the delivery alone, so that
    nobody who reads the conversation can press the customer's button. Raises ValidationError where the
    channel cannot write first.
    """
    link = connector(account.connector)
    if not (link.may_start(account.network) and account.is_active):
        raise ValidationError(_("%(name)s cannot write first.") % {"name": account.name})
    key = uuid4()
    external_id = link.new_external_id(account, str(key))
    # Under lock, so that no merge comes between.
    owner = Identity.objects.select_for_update(no_key=True).get(pk=identity.pk)
    conversation = _open_conversation(account, owner, external_id, letter.subject)
    interaction = Interaction.objects.create(
        account=account,
        external_id=external_id,
        conversation=conversation,
        team_id=account.team_id,
        staff=by,
        kind=Kind.MESSAGE,
        direction=Direction.OUTBOUND,
        is_automatic=True,
        occurred_at=timezone.now(),
        subject=letter.subject[:300],
        text=letter.shown,
    )
    delivery = _queue(conversation, interaction, letter, key)
    ContactLedger.objects.create(
        home_customer_id=owner.home_customer_id,
        customer_id=owner.customer_id,
        identity=owner,
        delivery=delivery,
        origin=ORIGIN,
        staff=by,
    )
    refresh_clocks(conversation, interaction)
    emit("delivery.queued", delivery=delivery.pk, conversation=conversation.pk)
    return interaction


def _queue(conversation: Conversation, interaction: Interaction, letter: Letter, key: UUID) -> Delivery:
    subject = letter.subject[:300]
    delivery = Delivery.objects.create(
        interaction=interaction,
        account=conversation.account,
        conversation=conversation,
        client_key=key,
        payload={"cc": [], "bcc": [], "html": "", "subject": subject, "text": letter.text},
    )
    queue_delivery(delivery.pk)
    return delivery


def _open_conversation(
    account: ChannelAccount, owner: Identity, external_id: str, subject: str
) -> Conversation:
    """A resolved conversation, found again by whatever answers the letter."""
    link, now = connector(account.connector), timezone.now()
    key = link.thread_key_for(account, owner.external_id, external_id)
    keys = sorted({key, *link.answer_keys(account, external_id)})
    sql.run("engagement", "store_threads", {"account": account.pk, "keys": keys})
    threads = Thread.objects.select_for_update(no_key=True).filter(account=account, thread_key__in=keys)
    known = next((one.conversation for one in threads.order_by("pk") if one.conversation), None)
    if known is not None:
        return known
    conversation = Conversation.objects.create(
        account=account,
        team_id=account.team_id,
        identity=owner,
        customer_id=owner.customer_id,
        home_customer_id=owner.home_customer_id,
        subject=subject[:300],
        status=Status.RESOLVED,
        resolved_at=now,
        first_at=now,
        last_at=now,
    )
    Thread.objects.filter(account=account, thread_key__in=keys).update(conversation=conversation)
    conversation.participants.create(identity=owner, role="owner")
    ConversationEvent.objects.create(conversation=conversation, team_id=account.team_id, type="started")
    return conversation
