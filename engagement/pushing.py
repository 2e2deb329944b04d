"""Interactions that other systems push in, each into its account and through `ingest` like all others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Q

from accounts.models import User
from accounts.permissions import check
from accounts.pushing import record_pushes
from core.demo import refuse_while_demo
from engagement.channels import connector
from engagement.channels.base import Event
from engagement.ingest import Outcome, ingest
from engagement.models import ChannelAccount, Interaction
from engagement.repeats import Version, adapted

Reference = int | tuple[str, str]
"""Our id of an account, or its network and own id."""
LARGEST_ID = 2**63 - 1


@dataclass
class Pushed:
    """What became of one item: our id, or a code and reason for its rejection."""

    status: Outcome
    id: int | None = None
    code: str = ""
    reason: str = ""


def push_interactions(
    items: Sequence[tuple[Reference, Event]], *, by: User, history: bool = False
) -> list[Pushed]:
    """Store items of any accounts, account by account, each answered in the order given.

    Only accounts whose connector takes pushes are written to: what comes into the others is compared with
    what their network has. `history` tells nobody, and old conversations arrive resolved.
    """
    check(by, "interaction.write")
    refuse_while_demo()
    answers = [Pushed(Outcome.REJECTED) for _ in items]
    accounts = find_accounts((reference for reference, _ in items), by=by)
    by_account: dict[int, list[int]] = {}
    for position, (reference, _event) in enumerate(items):
        refused = _refusal(reference, accounts.get(reference))
        if refused is None:
            by_account.setdefault(accounts[reference].pk, []).append(position)
        else:
            answers[position].code, answers[position].reason = refused
    known = {account.pk: account for account in accounts.values()}
    for pk in sorted(by_account):
        _store(known[pk], [(answers[p], items[p][1]) for p in by_account[pk]], history=history)
    stored = [
        known[pk] for pk in by_account if any(answers[p].status == Outcome.STORED for p in by_account[pk])
    ]
    if stored:
        record_pushes(by=by, verb="interaction.pushed", targets=stored)
    return answers


def find_accounts(references: Iterable[Reference], *, by: User) -> dict[Reference, ChannelAccount]:
    """The accounts that this person sees, by each way in which they were named."""
    wanted = set(references)
    ids = [one for one in wanted if isinstance(one, int) and 0 < one <= LARGEST_ID]
    pairs = [one for one in wanted if isinstance(one, tuple)]
    named = Q(network__in={network for network, _ in pairs}, external_id__in={name for _, name in pairs})
    found: dict[Reference, ChannelAccount] = {}
    for account in ChannelAccount.objects.visible_to(by).filter(Q(pk__in=ids) | named).order_by("pk"):
        found[account.pk] = account
        pair = (account.network, account.external_id)
        # Two connectors may know one account; a name means the one that takes pushes.
        if pair not in found or connector(account.connector).takes_pushes:
            found[pair] = account
    return found


def _refusal(reference: Reference, account: ChannelAccount | None) -> tuple[str, str] | None:
    """Code and reason why nothing can be pushed there; None where it can."""
    shown = reference if isinstance(reference, int) else "/".join(reference)
    if account is None:
        return (
            "unknown_account",
            f"There is no channel account {shown}. Make it first.",
        )
    if not connector(account.connector).takes_pushes:
        return "account_not_pushable", f"{account.name} is filled by its own connector, not over the API."
    if not account.is_active:
        return "account_disconnected", f"{account.name} was disconnected. Connect it again first."
    return None


def _store(account: ChannelAccount, pairs: Sequence[tuple[Pushed, Event]], *, history: bool) -> None:
    items = adapted(account, [Version(event) for _, event in pairs])
    result = ingest(account, items, live=not history)
    ids = _ids(account, [event.external_id for _, event in pairs])
    for position, (answer, event) in enumerate(pairs):
        answer.status = result.outcomes[position]
        if answer.status == Outcome.ERASED:
            answer.status, answer.code = Outcome.REJECTED, "erased"
            answer.reason = "Its author was erased after it was written."
        elif answer.status == Outcome.REJECTED:
            answer.code, answer.reason = "invalid", result.reasons[position]
        else:
            answer.id = ids.get(event.external_id)


def _ids(account: ChannelAccount, external_ids: Sequence[str]) -> Mapping[str, int]:
    found = Interaction.objects.filter(account=account, external_id__in=list(external_ids))
    return dict(found.values_list("external_id", "pk"))
