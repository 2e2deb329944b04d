"""Talks to the platform: what is claimed is read back where need be, sent, and its end written down."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import structlog
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from engagement.channels import connector
from engagement.channels.base import (
    Author,
    Direction,
    File,
    Outgoing,
    SendFailed,
    Sent,
    Uncertain,
    WindowClosed,
)
from engagement.credentials import with_fresh
from engagement.leases import Lease, kept
from engagement.models import Attachment, Delivery, DeliveryState, Interaction
from engagement.models.delivery import OPEN_STATES
from engagement.outbox.claiming import claim, due_heads, is_full
from engagement.outbox.results import record_failure, record_sent

log = structlog.get_logger(__name__)

SWEEP_SECONDS = 45.0
ACCOUNT_SECONDS = 20.0
"""So long a task sends for one account before it lets the others have its turn."""
REFERENCES = 20


@dataclass
class Sweep:
    """What one pass over the outbox did."""

    results: dict[str, int] = field(default_factory=dict)
    stuck_accounts: set[int] = field(default_factory=set)

    def note(self, delivery: Delivery) -> None:
        self.results[delivery.state] = self.results.get(delivery.state, 0) + 1
        if delivery.state == DeliveryState.QUEUED:
            self.stuck_accounts.add(delivery.account_id)


def sweep(*, seconds: float = SWEEP_SECONDS) -> Sweep:
    """Send what is due in this process, head after head, until nothing is or the time is up.

    An account that just failed is left alone for the rest of the pass, so one dead server delays nobody else.
    """
    done, end = Sweep(), time.monotonic() + seconds
    while time.monotonic() < end:
        delivery = _send_first(due_heads().exclude(account_id__in=done.stuck_accounts))
        if delivery is None:
            break
        done.note(delivery)
    return done


def send_account(account_id: int, *, seconds: float = ACCOUNT_SECONDS) -> bool:
    """Send what is due in one account; whether the time was up before the end of it.

    Stops at the first that has to wait, and leaves the account alone where enough workers send for it.
    """
    end = time.monotonic() + seconds
    while not is_full(account_id):
        delivery = _send_first(due_heads().filter(account_id=account_id))
        if delivery is None or delivery.state in OPEN_STATES:
            return False
        if time.monotonic() > end:
            return due_heads().filter(account_id=account_id).exists()
    return False


def send_delivery(delivery_id: int) -> Delivery | None:
    """Send this one if it is the head of its conversation and due, then what waited behind it.

    None also where enough workers send for its account: they go on with it.
    """
    account_id = Delivery.objects.filter(pk=delivery_id).values_list("account_id", flat=True).first()
    if account_id is None or is_full(account_id):
        return None
    delivery = _send_first(due_heads().filter(pk=delivery_id))
    last = delivery
    while delivery is not None and delivery.state not in OPEN_STATES:
        last = delivery
        delivery = _send_first(due_heads().filter(conversation_id=delivery.conversation_id))
    return delivery or last


def _send_first(found: QuerySet[Delivery]) -> Delivery | None:
    delivery = claim(found)
    if delivery is None or delivery.state != DeliveryState.SENDING:
        return delivery
    return send_claimed(delivery)


def send_claimed(delivery: Delivery) -> Delivery:
    """Call the connector outside any transaction and write down what came of it.

    The lease is kept meanwhile; so a worker that still sends is not taken for a dead one.
    """
    try:
        with kept(Lease(_held(delivery), "lease_until", delivery.lease_until or timezone.now())):
            sent = _deliver(delivery)
    except SendFailed as failure:
        return record_failure(delivery, failure)
    except Exception as error:
        log.exception("send ended without a verdict", delivery=delivery.pk)
        return record_failure(delivery, Uncertain(f"{type(error).__name__}: {error}"))
    return record_sent(delivery, sent)


def _held(delivery: Delivery) -> QuerySet[Delivery]:
    return Delivery.objects.filter(pk=delivery.pk, state=DeliveryState.SENDING, attempts=delivery.attempts)


def _deliver(delivery: Delivery) -> Sent:
    """Send it; what may be there already is looked for first, where that can be told."""
    outgoing = gather(delivery)
    account, link = outgoing.account, connector(outgoing.account.connector)
    if delivery.failure == "uncertain" and link.reads_back and not link.takes_our_id:
        found = with_fresh(account, lambda: link.find_sent(outgoing))
        if found is not None:
            return found
    until = outgoing.delivery.conversation.reply_until
    if until is not None and until < timezone.now():
        raise WindowClosed(
            _("The time in which %(channel)s lets us answer ended before it could be sent.")
            % {"channel": link.label}
        )
    return with_fresh(account, lambda: link.send(outgoing))


def gather(delivery: Delivery) -> Outgoing:
    """Everything the connector needs to send one message."""
    rows = Delivery.objects.select_related(
        "account__brand", "conversation__identity", "interaction__staff", "interaction__post"
    )
    delivery = rows.get(pk=delivery.pk)
    interaction, conversation, identity = (
        delivery.interaction,
        delivery.conversation,
        delivery.conversation.identity,
    )
    to = []
    if identity is not None:
        known = (identity.external_id, identity.handle, identity.name, identity.network, identity.issuer)
        to.append(Author(*known))
    thread = conversation.threads.order_by("pk").first()
    payload = delivery.payload
    return Outgoing(
        delivery=delivery,
        account=delivery.account,
        # What only the customer may read, such as their own link, is not stored as the message's text.
        text=str(payload.get("text") or interaction.text),
        html=str(payload.get("html", "")),
        subject=interaction.subject,
        external_id=interaction.external_id,
        in_reply_to=interaction.in_reply_to,
        references=_references(interaction),
        to=to,
        cc=tuple(payload.get("cc", ())),
        bcc=tuple(payload.get("bcc", ())),
        thread_key=thread.thread_key if thread else "",
        files=[_read_file(kept) for kept in interaction.attachments.order_by("pk") if kept.file],
        sender_name=interaction.staff_name,
        public=interaction.is_public,
        post_external_id=interaction.post.external_id if interaction.post else "",
        key=str(delivery.client_key),
    )


def _references(interaction: Interaction) -> tuple[str, ...]:
    """Ids of what was said before in the conversation: its beginning and its newest lines, in order."""
    said = Interaction.objects.filter(conversation=interaction.conversation, pk__lt=interaction.pk)
    said = said.exclude(direction=Direction.INTERNAL).order_by("occurred_at", "pk")
    ids = list(said.values_list("external_id", flat=True))
    return tuple(ids if len(ids) <= REFERENCES else [ids[0], *ids[-(REFERENCES - 1) :]])


def _read_file(kept: Attachment) -> File:
    with kept.file.open("rb") as stream:
        content = stream.read()
    return File(name=kept.name, content_type=kept.content_type, content=content, size=len(content))
