"""Taking an account off: its webhooks, its credentials, and where that is wanted all that came through it."""

from __future__ import annotations

from typing import Any

import structlog
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.permissions import check
from accounts.services import record_audit
from core.jobs import JobFailed, Progress, register_runner, start_job
from core.models import Job
from engagement import credentials
from engagement.channels import connector, paths
from engagement.channels.base import SendFailed
from engagement.connecting import disconnect_account
from engagement.models import (
    Attachment,
    ChannelAccount,
    Conversation,
    Delivery,
    Interaction,
    PendingChange,
    Post,
    RawEvent,
    RawState,
    Reconciliation,
)
from engagement.models.delivery import OPEN_STATES
from engagement.removing import remove_interactions

log = structlog.get_logger(__name__)

KIND = "remove-channel"
BATCH = 500


def holds(account: ChannelAccount) -> dict[str, int]:
    """What came through the account and would go with it, counted by kind."""
    said = Interaction.objects.filter(account=account)
    return {
        "interactions": said.count(),
        "conversations": Conversation.objects.filter(account=account).count(),
        "files": Attachment.objects.filter(interaction__account=account).count(),
        "posts": Post.objects.filter(account=account).count(),
        "bodies": RawEvent.objects.filter(account=account).count(),
        "waiting": Delivery.objects.filter(account=account, state__in=OPEN_STATES).count(),
    }


def disconnect(*, account: ChannelAccount, by: User, remove: bool) -> Job | None:
    """Take webhooks off, forget the credentials, and where wanted begin a job that removes what was said."""
    check(by, "channel.manage")
    _unsubscribe(account)
    with transaction.atomic():
        disconnect_account(account=account, by=by)
        if not remove:
            return None
        job = start_job(
            KIND,
            _("Remove what came through %(name)s") % {"name": account.name},
            input={"account": account.pk},
            by=by,
            exclusive=f"account {account.pk}",
        )
        record_audit(by=by, verb="channel.removal_started", target=account, detail={"job": str(job.pk)})
    return job


def _unsubscribe(account: ChannelAccount) -> None:
    """Ask the platform to send nothing more; whatever it says, the account goes."""
    if account.connector not in paths():
        return
    link = connector(account.connector)
    if not link.subscribes:
        return
    try:
        credentials.ensure_fresh(account)
        link.unsubscribe(account)
    except SendFailed as failure:
        log.warning("webhooks not taken off", account=account.pk, reason=str(failure))
    except Exception:
        log.exception("webhooks not taken off", account=account.pk)


# The job


def run(progress: Progress) -> dict[str, Any]:
    """Remove in batches, each a transaction; a killed run goes on with what is left."""
    account = ChannelAccount.objects.get(pk=progress.job.input["account"])
    said = Interaction.objects.filter(account=account)
    removed = int(progress.job.cursor.get("removed", 0))
    total = removed + said.count()
    while ids := _some(account):
        with transaction.atomic():
            remove_interactions(ids)
            removed += len(ids)
            progress.save_cursor({"removed": removed}, done=removed, total=total)
    _remove_shared(account)
    with transaction.atomic():
        _remove_rest(account)
    return {"counts": {"removed": removed}}


def _some(account: ChannelAccount) -> list[int]:
    if ChannelAccount.objects.filter(pk=account.pk, is_active=True).exists():
        raise JobFailed(_("The channel was connected again; what is left stays."))
    rows = Interaction.objects.filter(account=account).order_by("pk")
    return list(rows.values_list("pk", flat=True)[:BATCH])


def _remove_shared(account: ChannelAccount) -> None:
    """Bodies that came to the one address of all accounts and speak of this one; those that still have
    something to say to another account stay."""
    if account.connector not in paths() or connector(account.connector).hook_scope != "app":
        return
    rows = RawEvent.objects.filter(account=None, source=account.connector).extra(
        where=["position(%s::bytea in body) > 0"], params=[account.external_id.encode()]
    )
    others = ChannelAccount.objects.active().filter(connector=account.connector).exclude(pk=account.pk)
    ids = frozenset(others.values_list("external_id", flat=True))
    for raw in rows.order_by("pk").iterator(BATCH):
        named = _named_in(raw, ids | {account.external_id})
        if named == {account.external_id} or (account.external_id in named and raw.state == RawState.DONE):
            gone = RawEvent.objects.filter(pk=raw.pk, month=raw.month)
            gone._raw_delete(using=gone.db)


def _named_in(raw: RawEvent, ids: frozenset[str]) -> frozenset[str]:
    """For which accounts a body is; where it cannot be understood, which of these ids stand in it."""
    try:
        return frozenset(parcel.account for parcel in connector(raw.source).parse(raw))
    except Exception:  # whatever a connector stumbles over
        body = bytes(raw.body)
        return frozenset(one for one in ids if one.encode() in body)


def _remove_rest(account: ChannelAccount) -> None:
    """What hangs on no interaction; the account's own row stays, as the name behind what is in the audit."""
    Conversation.objects.filter(account=account).delete()
    for model in (Post, PendingChange, Reconciliation, RawEvent):
        rows = model._default_manager.filter(account=account)
        rows._raw_delete(using=rows.db) if model is RawEvent else rows.delete()
    ChannelAccount.objects.filter(pk=account.pk).update(
        settings={}, cursor={}, received=0, stored=0, repeated=0, parked=0, last_in_at=None, last_out_at=None
    )


def register() -> None:
    """Let workers run removals."""
    register_runner(KIND, run)
