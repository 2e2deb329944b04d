"""Pairs of customers who may be one: kept as a search found them, answered by staff."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from accounts.models import User
from accounts.permissions import check
from accounts.services import record_audit
from core import sql
from core.events import emit
from crm import merge_fields
from crm.facts import EMPTY
from crm.linkage import evidence
from crm.linkage.records import record_of, rows_of
from crm.merging import merge_customers
from crm.models import Customer, MergeRecord, MergeWhy, Suspect, SuspectState
from crm.trees import roots_of

LATER_DAYS = 30
KEPT_AT_ONCE = 1_000
Pair = Mapping[str, Any]


class AlreadyAnswered(ValueError):
    """Somebody said already whether these two are one."""


class Conflicting(ValueError):
    """The two records say different things, so somebody has to choose."""


# What a search found


@transaction.atomic
def keep(pairs: Sequence[Pair], marks: Path) -> dict[str, int]:
    """Bring the queue up to what a search found; `marks` is its file of who was seen as what.

    `pairs` are {low, high, probability, evidence: {field: [level, bits]}}. A pair that staff rejected never
    comes again, nor does one of the customers these two were merged into.
    """
    refused = rejected_pairs()
    wanted = [one for one in pairs if (one["low"], one["high"]) not in refused]
    for part in _parts(wanted):
        sql.run("crm", "keep_suspects", {"pairs": json.dumps(_with_values(part))})
    found = {
        "lows": [one["low"] for one in wanted],
        "highs": [one["high"] for one in wanted],
        "today": timezone.localdate(),
    }
    dropped = sql.run("crm", "drop_suspects", found)
    _keep_marks(marks)
    return {"waiting": Suspect.objects.waiting().count(), "dropped": dropped}


def rejected_pairs() -> set[tuple[int, int]]:
    """Pairs of customers who are two, by who they are today: (smaller id, larger id)."""
    said = list(Suspect.objects.filter(state=SuspectState.REJECTED).values_list("low_id", "high_id"))
    roots = roots_of({one for pair in said for one in pair}) if said else {}
    return {(min(pair), max(pair)) for low, high in said if len(pair := {roots[low], roots[high]}) == 2}


def _parts(pairs: Sequence[Pair]) -> Iterator[Sequence[Pair]]:
    for start in range(0, len(pairs), KEPT_AT_ONCE):
        yield pairs[start : start + KEPT_AT_ONCE]


def _with_values(pairs: Sequence[Pair]) -> list[dict[str, Any]]:
    """The pairs with both values of each field as people wrote them."""
    rows = rows_of([one[side] for one in pairs for side in ("low", "high")])
    records = {customer_id: record_of(row) for customer_id, row in rows.items()}
    return [
        {
            **one,
            "evidence": evidence.entries(records[one["low"]], records[one["high"]], one["evidence"]),
        }
        for one in pairs
        if one["low"] in records and one["high"] in records
    ]


def _keep_marks(marks: Path) -> None:
    """Remember as what customers were compared, and forget those that are gone or merged."""
    with connection.cursor() as cursor, marks.open(encoding="utf-8") as file:
        cursor.execute("CREATE TEMP TABLE seen (customer_id bigint, digest bigint) ON COMMIT DROP")
        cursor.copy_expert("COPY seen FROM STDIN WITH (FORMAT csv)", file)
        cursor.execute(
            """
            INSERT INTO crm_linkagemark (customer_id, digest)
            SELECT s.customer_id, s.digest FROM seen s JOIN crm_customer c ON c.id = s.customer_id
            ORDER BY s.customer_id
            ON CONFLICT (customer_id) DO UPDATE SET digest = excluded.digest
            """
        )
        cursor.execute(
            """
            DELETE FROM crm_linkagemark m WHERE NOT EXISTS (
                SELECT 1 FROM crm_customer c WHERE c.id = m.customer_id AND c.merged_into_id IS NULL
            )
            """
        )
        cursor.execute("DROP TABLE seen")


# What staff say


def reject(*, suspect: Suspect, by: User) -> Suspect:
    """These are two customers: the pair never comes again. Raises AlreadyAnswered."""
    return _answer(suspect, SuspectState.REJECTED, by)


def put_off(*, suspect: Suspect, by: User) -> Suspect:
    """Ask again in 30 days. Raises AlreadyAnswered."""
    until = timezone.localdate() + timedelta(days=LATER_DAYS)
    return _answer(suspect, SuspectState.LATER, by, later_until=until)


@transaction.atomic
def confirm(*, suspect: Suspect, by: User) -> MergeRecord:
    """Merge the two, where nothing that both say differs.

    Raises AlreadyAnswered, Conflicting, crm.merging.CannotMerge.
    """
    check(by, "customer.merge")
    suspect = _waiting(suspect)
    if conflicts(suspect.low, suspect.high):
        raise Conflicting
    return merge_customers(keep=suspect.low, drop=suspect.high, by=by, why=MergeWhy.SUSPECT)


@transaction.atomic
def reopen(*, suspect: Suspect, by: User) -> Suspect:
    """Take back a "not the same" or a "later": the pair waits again."""
    check(by, "customer.merge")
    found = Suspect.objects.select_for_update().get(pk=suspect.pk)
    if found.state == SuspectState.CONFIRMED:
        raise AlreadyAnswered
    found.state, found.later_until, found.decided_by, found.decided_at = SuspectState.OPEN, None, None, None
    return _saved(found, by, "suspect.reopened")


def conflicts(low: Customer, high: Customer) -> list[str]:
    """The fields in which both records say something else."""
    names = (name for name in merge_fields.names_of([low, high]) if name != "stage")
    both = ((name, merge_fields.value_of(low, name), merge_fields.value_of(high, name)) for name in names)
    return [name for name, one, other in both if one not in EMPTY and other not in EMPTY and one != other]


@transaction.atomic
def _answer(suspect: Suspect, state: str, by: User, **more: Any) -> Suspect:
    check(by, "customer.merge")
    found = _waiting(suspect)
    found.state, found.decided_by, found.decided_at = state, by, timezone.now()
    found.later_until = more.get("later_until")
    return _saved(found, by, f"suspect.{state}")


def _waiting(suspect: Suspect) -> Suspect:
    """The pair under lock, as long as nobody answered it and both customers are still apart."""
    found = Suspect.objects.select_for_update(of=("self",)).select_related("low", "high").get(pk=suspect.pk)
    if found.state in (SuspectState.REJECTED, SuspectState.CONFIRMED):
        raise AlreadyAnswered
    if found.low.is_merged or found.high.is_merged:
        raise AlreadyAnswered
    return found


def _saved(suspect: Suspect, by: User, verb: str) -> Suspect:
    suspect.save(update_fields=["state", "later_until", "decided_by", "decided_at"])
    detail = {"low": suspect.low_id, "high": suspect.high_id}
    record_audit(by=by, verb=verb, target=suspect, name="", detail=detail)
    emit("suspect.answered", channels=["staff"], suspect=suspect.pk, **detail)
    return suspect


# Looking


def count_waiting(user: Any, most: int = 100) -> int:
    """How many pairs wait, counted up to `most`."""
    return len(Suspect.objects.visible_to(user).waiting().values_list("pk", flat=True)[:most])


def likely_same(customer: Customer, most: int = 5) -> list[Suspect]:
    """The pairs of this customer that wait, the likeliest first."""
    found = Suspect.objects.waiting().of_customer(customer.pk).select_related("low", "high")
    return list(found.order_by("-probability", "-pk")[:most])
