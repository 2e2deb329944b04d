"""What staff do on a network beside answering: hide, like or delete a customer's line, block who wrote it.

An act is written down in the transaction that asks for it and done by a worker, as a delivery is: claimed
with a lease, tried again where the platform is away, and its end told. Done twice it is as done once, so what
a killed worker left is simply done again. Acts on one line happen in the order in which they were asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import structlog
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from accounts.permissions import can, check
from accounts.services import record_audit
from core.events import emit
from core.text import clean_text
from engagement import rates
from engagement.breaker import SENDS
from engagement.channels import connector
from engagement.channels.base import (
    Act,
    AuthFailure,
    Author,
    Change,
    Direction,
    PermanentFailure,
    RateReached,
    SendFailed,
    Target,
    TransientFailure,
)
from engagement.credentials import with_fresh
from engagement.ingest import changes
from engagement.leases import LEASE, Lease, kept
from engagement.models import ActRecord, Interaction
from engagement.outbox.claiming import CLOSED_HEALTH
from engagement.outbox.results import note_answer, note_trouble, pause_account

log = structlog.get_logger(__name__)

OPEN = ("queued", "doing")
BACK_OFF = (10, 30, 60, 300)
GIVE_UP = timedelta(hours=24)
VERBS = {
    Act.HIDE: "conversation.moderate",
    Act.UNHIDE: "conversation.moderate",
    Act.LIKE: "conversation.moderate",
    Act.UNLIKE: "conversation.moderate",
    Act.DELETE: "conversation.remove",
    Act.BLOCK: "conversation.remove",
    Act.UNBLOCK: "conversation.remove",
}
"""What one needs to be allowed: what cannot be taken back, or shuts somebody out, is for those who lead."""
OPPOSITE = {
    Act.HIDE: Act.UNHIDE,
    Act.UNHIDE: Act.HIDE,
    Act.LIKE: Act.UNLIKE,
    Act.UNLIKE: Act.LIKE,
    Act.BLOCK: Act.UNBLOCK,
    Act.UNBLOCK: Act.BLOCK,
}
SHOWN = (Act.LIKE, Act.UNLIKE, Act.HIDE, Act.UNHIDE, Act.DELETE, Act.BLOCK, Act.UNBLOCK)
LABELS = {
    Act.HIDE: gettext_lazy("Hide"),
    Act.UNHIDE: gettext_lazy("Show again"),
    Act.LIKE: gettext_lazy("Like"),
    Act.UNLIKE: gettext_lazy("Take the like back"),
    Act.DELETE: gettext_lazy("Delete on the network"),
    Act.BLOCK: gettext_lazy("Block who wrote it"),
    Act.UNBLOCK: gettext_lazy("Unblock who wrote it"),
}


# What can be done


def possible(interaction: Interaction, by: User) -> list[Act]:
    """What this person may do to this line now, in the order in which menus show it."""
    offered = connector(interaction.account.connector).acts
    if not offered or not interaction.account.is_active or interaction.deleted_at:
        return []
    state = standing(interaction)
    return [act for act in SHOWN if act in offered and can(by, VERBS[act]) and _fits(interaction, act, state)]


def standing(interaction: Interaction) -> set[Act]:
    """What holds for the line just now: hide, like, delete and block, done or about to be.

    Whether it is hidden the network tells too, so that there only what is still on its way counts.
    """
    rows = ActRecord.objects.filter(account_id=interaction.account_id).exclude(state="failed").order_by("pk")
    mine = rows.filter(interaction=interaction)
    own = Q(act__in=(Act.LIKE, Act.UNLIKE, Act.DELETE)) | Q(act__in=(Act.HIDE, Act.UNHIDE), state__in=OPEN)
    acts = list(mine.filter(own).values_list("act", flat=True))
    if interaction.identity_id is not None:
        theirs = rows.filter(interaction__identity_id=interaction.identity_id)
        acts += theirs.filter(act__in=(Act.BLOCK, Act.UNBLOCK)).values_list("act", flat=True)
    return _follow({Act.HIDE} if interaction.hidden_at else set(), acts)


def _follow(found: set[Act], acts: Iterable[str]) -> set[Act]:
    for one in acts:
        act = Act(one)
        found = found - {OPPOSITE[act]} if act in OPPOSITE else found
        if act in (Act.HIDE, Act.LIKE, Act.BLOCK, Act.DELETE):
            found = found | {act}
    return found


def _fits(interaction: Interaction, act: Act, state: set[Act]) -> bool:
    """Only on what others wrote, but our own words can be deleted; each where it changes something."""
    if Act.DELETE in state:
        return False
    if interaction.direction == Direction.OUTBOUND:
        return act == Act.DELETE
    if interaction.direction != Direction.INBOUND:
        return False
    if act in (Act.UNHIDE, Act.UNLIKE, Act.UNBLOCK):
        return OPPOSITE[act] in state
    return act not in state


# Asking for it


@transaction.atomic
def ask_for(*, interaction: Interaction, act: Act, by: User) -> ActRecord:
    """Write it down and let a worker do it; asked for again meanwhile it is the same.

    Raises ValidationError where the network cannot do it or it would change nothing.
    """
    check(by, VERBS[act])
    interaction = Interaction.objects.select_for_update().select_related(None).get(pk=interaction.pk)
    open_one = ActRecord.objects.filter(interaction=interaction, act=act, state__in=OPEN).first()
    if open_one is not None:
        return open_one
    _refuse_impossible(interaction, act, by)
    record = ActRecord.objects.create(
        account_id=interaction.account_id, interaction=interaction, act=act, staff=by
    )
    detail = {"interaction": interaction.pk, "act": act.value}
    record_audit(by=by, verb="interaction.acted", target=interaction.account, detail=detail)
    tell(record)
    queue_act(record.pk)
    return record


def _refuse_impossible(interaction: Interaction, act: Act, by: User) -> None:
    link = connector(interaction.account.connector)
    if act not in link.acts:
        words = _("%(channel)s does not let us do that.")
        raise ValidationError(words % {"channel": link.label}, code="impossible")
    if act not in possible(interaction, by):
        raise ValidationError(_("That is not possible here, or it is so already."), code="impossible")


def queue_act(record_id: int) -> None:
    """Do it right after the commit; where Redis is away, the sweep finds it."""
    from engagement.tasks import do_act

    transaction.on_commit(lambda: do_act.delay(record_id), robust=True)


# Doing it


def due() -> QuerySet[ActRecord]:
    """Acts to be done now, the oldest of each line, on accounts that may be asked."""
    now = timezone.now()
    older = ActRecord.objects.filter(
        interaction_id=OuterRef("interaction_id"), pk__lt=OuterRef("pk"), state__in=OPEN
    )
    waiting = Q(state="queued", next_try_at__lte=now) | Q(state="doing", lease_until__lt=now)
    usable = ActRecord.objects.filter(waiting, SENDS.open(now, account="account__"), account__is_active=True)
    return usable.exclude(account__health__in=CLOSED_HEALTH).exclude(Exists(older))


def sweep() -> list[int]:
    """Numbers of the acts that are due, the longest waiting first."""
    return list(due().order_by("next_try_at", "pk").values_list("pk", flat=True)[:500])


def do(record_id: int) -> ActRecord | None:
    """Do one that is due and that nobody else does; then what was asked for after it on the same line."""
    record = _do_first(due().filter(pk=record_id))
    last = record
    while record is not None and record.state not in OPEN:
        last = record
        record = _do_first(due().filter(interaction_id=record.interaction_id))
    return record or last


def _do_first(found: QuerySet[ActRecord]) -> ActRecord | None:
    record = _claim(found)
    return record if record is None or record.state != "doing" else _do_claimed(record)


def _claim(found: QuerySet[ActRecord]) -> ActRecord | None:
    with transaction.atomic():
        rows = found.select_for_update(of=("self",), skip_locked=True).select_related("account")
        record: ActRecord | None = rows.order_by("next_try_at", "pk").first()
        if record is None or not SENDS.may_try(record.account):
            return None
        seconds = rates.take(record.account, "act")
        if seconds:
            _wait(record, _("The channel allows no more of this just now."), seconds=seconds)
            return record
        record.state, record.attempts = "doing", record.attempts + 1
        record.lease_until = timezone.now() + LEASE
        record.save(update_fields=["state", "attempts", "lease_until"])
        return record


def _do_claimed(record: ActRecord) -> ActRecord:
    held = ActRecord.objects.filter(pk=record.pk, state="doing", attempts=record.attempts)
    try:
        with kept(Lease(held, "lease_until", record.lease_until or timezone.now())):
            account, target = record.account, target_of(record.interaction)
            link = connector(account.connector)
            with_fresh(account, lambda: link.act(account, Act(record.act), target))
    except SendFailed as failure:
        return record_failure(record, failure)
    except Exception as error:
        log.exception("act ended by an unexpected error", act=record.pk)
        return record_failure(record, TransientFailure(f"{type(error).__name__}: {error}"))
    return record_done(record)


def target_of(interaction: Interaction) -> Target:
    """What the connector is told of the line."""
    identity, author = interaction.identity, None
    if identity is not None:
        author = Author(
            identity.external_id, identity.handle, identity.name, identity.network, identity.issuer
        )
    conversation = interaction.conversation
    thread = conversation.threads.order_by("pk").first() if conversation else None
    return Target(
        external_id=interaction.external_id,
        author=author,
        public=interaction.is_public,
        kind=interaction.kind,
        direction=interaction.direction,
        thread_key=thread.thread_key if thread else "",
        post_external_id=interaction.post.external_id if interaction.post else "",
    )


# What came of it


@transaction.atomic
def record_done(record: ActRecord) -> ActRecord:
    """It is done: the line shows it, in the way in which it would if the network had told."""
    now = timezone.now()
    if record.act in (Act.HIDE, Act.UNHIDE, Act.DELETE):
        change = Change(record.interaction.external_id, record.act, now)
        changes.apply(record.account, [(0, change)], read_text=False)
    record = ActRecord.objects.select_for_update(of=("self",)).select_related("account").get(pk=record.pk)
    record.state, record.done_at, record.lease_until, record.failure_text = "done", now, None, ""
    record.save(update_fields=["state", "done_at", "lease_until", "failure_text"])
    tell(record)
    note_answer(record.account_id)
    return record


@transaction.atomic
def record_failure(record: ActRecord, failure: SendFailed) -> ActRecord:
    """Write down why it was not done, and what follows from that."""
    claimed = record
    rows = ActRecord.objects.select_for_update(of=("self",)).select_related("account")
    record = rows.get(pk=record.pk)
    if record.state != "doing" or record.attempts != claimed.attempts:
        return record
    text = clean_text(f"{failure} {failure.advice}", limit=500).strip() or _("The network gave no reason.")
    if isinstance(failure, AuthFailure):
        _wait(record, text, seconds=0)
        pause_account(record.account, str(failure)[:500])
    elif isinstance(failure, PermanentFailure) or timezone.now() - record.created_at >= GIVE_UP:
        _fail(record, text)
        note_answer(record.account_id)
    elif isinstance(failure, RateReached):
        rates.shut(record.account, "act", failure.retry_after)
        _wait(record, text, seconds=failure.retry_after)
    else:
        _wait(record, text, seconds=BACK_OFF[min(record.attempts, len(BACK_OFF)) - 1])
        note_trouble(record.account_id, text)
    return record


def _wait(record: ActRecord, text: str, *, seconds: float) -> None:
    record.state, record.failure_text, record.lease_until = "queued", text, None
    record.next_try_at = timezone.now() + timedelta(seconds=seconds)
    record.save(update_fields=["state", "failure_text", "lease_until", "next_try_at"])
    tell(record)


def _fail(record: ActRecord, text: str) -> None:
    record.state, record.failure_text, record.lease_until = "failed", text, None
    record.save(update_fields=["state", "failure_text", "lease_until"])
    tell(record)


def tell(record: ActRecord) -> None:
    """Windows with the conversation open see it; who asked for it hears of a failure."""
    interaction = record.interaction
    channels = [f"team:{interaction.team_id}", f"conversation:{interaction.conversation_id}"]
    if record.state == "failed" and record.staff_id:
        channels.append(f"user:{record.staff_id}")
    emit(
        "interaction.acted",
        channels=channels,
        interaction=interaction.pk,
        conversation=interaction.conversation_id,
        act=record.act,
        state=record.state,
    )


# What the thread shows


def shown(records: Iterable[ActRecord]) -> list[ActRecord]:
    """Of a line's acts, newest first, those to be seen: open ones, and failures not yet made good."""
    found: list[ActRecord] = []
    seen: set[str] = set()
    for one in records:
        if one.act not in seen and one.state != "done":
            found.append(one)
        seen |= {one.act} | ({OPPOSITE[Act(one.act)].value} if Act(one.act) in OPPOSITE else set())
    return found


def is_liked(records: Iterable[ActRecord]) -> bool:
    """Whether our like stands, of a line's acts, newest first."""
    done = (one.act for one in records if one.state == "done" and one.act in (Act.LIKE, Act.UNLIKE))
    return next(done, "") == Act.LIKE
