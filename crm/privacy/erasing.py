"""Erases a person: their rows, files and traces in other people's texts, and keeps what must not come back.

Everything happens in one transaction: a killed erasure did nothing and is begun anew. Only the files go
after it, by a list that is saved with it. An ingest of somebody else in a shared conversation takes locks in
another order; where PostgreSQL ends the erasure for it, it is tried again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from django.core.files.storage import default_storage
from django.db import connection, models, transaction
from django.utils import timezone

from accounts.models import User
from accounts.permissions import check
from accounts.services import record_audit
from core import privacy
from core.events import emit
from core.jobs import JobFailed, Progress, register_runner, start_job
from core.models import Job
from core.privacy import Erasing, Holding
from crm.erased import customer_key, digest, identity_key, order_key, store_digests
from crm.identities import IdentityKey
from crm.models import Customer, CustomerTouch, Erasure, Identity, MergeRecord, Order
from crm.privacy import caches, stored_files
from crm.privacy.keeping import keep_digests
from crm.privacy.subjects import subject_of, words_of
from crm.privacy.words import ERASED, Words, blot_all
from crm.trees import again_on_deadlock, hold_customers

log = structlog.get_logger(__name__)
KIND = "erase_customer"
REASONS = ("request", "retention", "mistake", "restored")
Beat = Callable[[str], None]


@dataclass(frozen=True)
class Erased:
    """What an erasure left: its record, and the files that are to be deleted."""

    erasure: Erasure
    files: Sequence[str]
    words: Words


def start_erasure(*, customer: Customer, by: User, reason: str = "request") -> Job:
    """Queue the erasure of one customer as a job. Raises core.jobs.JobIsOpen while one runs for them."""
    check(by, "customer.erase")
    return start_job(
        KIND,
        f"Erase customer {customer.pk}",
        input={"customer": customer.pk, "reason": reason},
        by=by,
        exclusive=f"customer {customer.pk}",
    )


def run_erasure(progress: Progress) -> dict[str, Any]:
    """The job: erase, then delete the files that the erasure listed, also after a crash in between."""
    job, state = progress.job, progress.job.cursor
    if not state:
        customer = Customer.objects.filter(pk=job.input["customer"]).first()
        if customer is None:
            raise JobFailed("This customer is gone.")
        state = _erase_in_job(customer, progress)
    delete_files(state["files"])
    return {"erasure": state["erasure"], "counts": state["counts"]}


@again_on_deadlock
def _erase_in_job(customer: Customer, progress: Progress) -> dict[str, Any]:
    job = progress.job
    with transaction.atomic():
        done = erase_rows(
            customer=customer,
            by=job.created_by,
            reason=job.input["reason"],
            beat=lambda phase: progress.beat(phase=phase),
        )
        state = {"erasure": done.erasure.pk, "counts": done.erasure.counts, "files": list(done.files)}
        progress.save_cursor(state)
    _forget_elsewhere(done.words)
    return state


@again_on_deadlock
def _erase_at_once(customer: Customer, by: User | None, reason: str) -> Erased:
    with transaction.atomic():
        return erase_rows(customer=customer, by=by, reason=reason)


def erase_customer(*, customer: Customer, by: User | None, reason: str = "request") -> Erasure:
    """Erase one customer at once, files included."""
    done = _erase_at_once(customer, by, reason)
    delete_files(done.files)
    _forget_elsewhere(done.words)
    return done.erasure


def _forget_elsewhere(words: Words) -> None:
    """What stands outside the database: Redis, and mails written to files."""
    caches.forget(words)
    stored_files.forget_mails(words)


def delete_files(names: Sequence[str]) -> None:
    """Delete files from the storage; one that is gone already is no failure."""
    for name in names:
        try:
            default_storage.delete(name)
        except OSError as error:
            log.warning("file of an erased customer not deleted", error=type(error).__name__)


def erase_rows(
    *, customer: Customer, by: User | None, reason: str, beat: Beat = lambda phase: None
) -> Erased:
    """Everything but the files, in the caller's transaction."""
    beat("finding what is theirs")
    hold_customers(subject_of(customer).customers)
    subject = subject_of(customer)
    erasing = Erasing(subject, words_of(subject), timezone.now())
    _note_keys(erasing)
    for eraser in privacy.erasers():
        beat("deleting")
        eraser(erasing)
    _delete_rows(erasing)
    beat("searching what others wrote")
    blot_everywhere(erasing, beat)
    stored_files.search(erasing)
    caches.forget(erasing.words)
    return Erased(_remember(erasing, by, reason), erasing.files, erasing.words)


def _note_keys(erasing: Erasing) -> None:
    subject = erasing.subject
    erasing.keys.update(customer_key(number) for number in subject.customers)
    for row in Identity.objects.filter(pk__in=subject.identities).values_list(
        "network", "issuer", "external_id"
    ):
        erasing.keys.add(identity_key(IdentityKey(*row)))
    orders = Order.objects.filter(customer_id__in=subject.customers)
    erasing.keys.update(order_key(*row) for row in orders.values_list("source", "external_id"))


# Rows that name them


def _delete_rows(erasing: Erasing) -> None:
    """Rows by customer, then by identity, then the identities and customers themselves."""
    customers, identities = erasing.subject.customers, erasing.subject.identities
    ordered = sorted(privacy.holdings(), key=lambda holding: holding.model is Identity)
    for holding in ordered:
        if holding.model is not Customer and holding.model is not Identity:
            _erase_holding(erasing, holding)
    for held in privacy.identity_holdings():
        rows = held.model._default_manager.filter(**{f"{held.identity_field}_id__in": identities})
        if held.on_erase == "clear":
            rows.update(**{held.identity_field: None})
        else:
            erasing.count(held.model, rows.delete()[1].get(held.model._meta.label, 0))
    _rehome(customers)
    erasing.count(Identity, Identity.objects.filter(pk__in=identities)._raw_delete(connection.alias))
    _forget_references(customers)
    erasing.count(Customer, Customer.objects.filter(pk__in=customers)._raw_delete(connection.alias))


def _erase_holding(erasing: Erasing, holding: Holding) -> None:
    customers = list(erasing.subject.customers)
    if holding.erase is not None:
        erasing.count(holding.model, holding.erase(customers))
        return
    rows = holding.model._default_manager.filter(**{f"{holding.customer_field}_id__in": customers})
    if holding.on_erase == "clear":
        names = [holding.customer_field, *([holding.home_field] if holding.home_field else [])]
        erasing.count(holding.model, rows.update(**dict.fromkeys(names)))
    else:
        erasing.count(holding.model, rows.delete()[1].get(holding.model._meta.label, 0))


def _rehome(customers: Sequence[int]) -> None:
    """Rows that were written for this person and belong to another today are at home there."""
    for holding in privacy.holdings():
        if not holding.home_field or holding.model is Customer:
            continue
        rows = holding.model._default_manager.filter(**{f"{holding.home_field}_id__in": customers})
        rows.update(**{holding.home_field: models.F(holding.customer_field)})


def _forget_references(customers: Sequence[int]) -> None:
    """Whoever was referred by them or brought them, and merges of theirs that were undone."""
    brought = Customer.objects.filter(pk__in=customers, referred_by__isnull=False)
    by = brought.exclude(referred_by_id__in=customers).values_list("referred_by_id", flat=True).distinct()
    CustomerTouch.objects.bulk_create([CustomerTouch(customer_id=pk) for pk in by])
    Customer.objects.filter(home_referred_by_id__in=customers).update(home_referred_by=None)
    Customer.objects.filter(referred_by_id__in=customers).update(referred_by=None)
    MergeRecord.objects.filter(models.Q(keep_id__in=customers) | models.Q(drop_id__in=customers)).delete()
    CustomerTouch.objects.filter(customer_id__in=customers).delete()


# Traces in what belongs to others


def blot_everywhere(erasing: Erasing, beat: Beat = lambda phase: None) -> None:
    """Blot out in every text of the installation what can only mean this person."""
    if erasing.words.is_empty:
        return
    with connection.cursor() as cursor:
        # the audit trail only grows, but for this: see accounts migration 0004
        cursor.execute("SET LOCAL rapport.erasing = 'on'")
        pattern = erasing.words.sql_pattern()
        for model, columns in privacy.text_columns().items():
            beat(f"searching {model._meta.verbose_name_plural}")
            erasing.count(model, _blot_table(model, columns, pattern, erasing.words))
        cursor.execute("SET LOCAL rapport.erasing = 'off'")


def _blot_table(
    model: type[models.Model], columns: Sequence[models.Field[Any, Any]], pattern: str, words: Words
) -> int:
    quote = connection.ops.quote_name
    names = [quote(str(column.column)) for column in columns]
    asked = " OR ".join(f"{name}::text ~* %s" for name in names)
    key, table = quote(str(model._meta.pk.column)), quote(model._meta.db_table)
    statement = f"SELECT {key} FROM {table} WHERE {asked}"  # noqa: S608 (our own columns)
    with connection.cursor() as cursor:
        cursor.execute(statement, [pattern] * len(names))
        found = [row[0] for row in cursor.fetchall()]
    return sum(_blot_row(model, columns, pk, words) for pk in found)


def _blot_row(
    model: type[models.Model], columns: Sequence[models.Field[Any, Any]], pk: Any, words: Words
) -> int:
    names = [column.attname for column in columns]
    row = model._base_manager.filter(pk=pk).values(*names).first()
    if row is None:
        return 0
    changed = {}
    for column in columns:
        before = row[column.attname]
        after = blot_all(before, words.blot)
        if after != before and before is not None:
            changed[column.attname] = _fitting(model, column, after, pk)
    return model._base_manager.filter(pk=pk).update(**changed) if changed else 0


def _fitting(model: type[models.Model], column: models.Field[Any, Any], value: Any, pk: Any) -> Any:
    """A blotted text in the column's length, and still its own where no two may be the same."""
    if not isinstance(value, str):
        return value
    if _is_unique(model, column.name):
        value = f"{ERASED} {pk}"
    return value[: column.max_length] if column.max_length else value


def _is_unique(model: type[models.Model], name: str) -> bool:
    rules = [rule for rule in model._meta.constraints if isinstance(rule, models.UniqueConstraint)]
    column = model._meta.get_field(name)
    return bool(getattr(column, "unique", False)) or any(name in rule.fields for rule in rules)


# What stays


def _remember(erasing: Erasing, by: User | None, reason: str) -> Erasure:
    digests = {digest(key): erasing.at for key in erasing.keys}
    store_digests(digests)
    root = erasing.subject.customers[0]
    erasure = Erasure.objects.create(
        number=root, at=erasing.at, by=by, reason=reason, counts=dict(sorted(erasing.counts.items()))
    )
    transaction.on_commit(lambda: keep_digests(digests), robust=True)
    record_audit(by=by, verb="customer.erased", target=Customer(pk=root), name="", detail={"reason": reason})
    emit("customer.erased", channels=["staff"], customer=root)
    return erasure


def register() -> None:
    """Make the job known."""
    register_runner(KIND, run_erasure)
