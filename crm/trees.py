"""Which record owns which: merged customers form trees, and the root of a tree owns its rows.

A tree changes only under locks, taken in one order by everybody: identities by id, then customers by id. An
ingest holds the identities of its page FOR SHARE and updates customers later, so a merge that began with
customers would lock it out. Whoever writes a row that comes by no identity holds the customer (`hold_root`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import wraps
from typing import ParamSpec, TypeVar

from django.core.exceptions import ValidationError
from django.db import OperationalError, connection, transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from core import privacy, sql
from core.privacy import Holding
from crm.models import Customer, Identity

P = ParamSpec("P")
T = TypeVar("T")
DEADLOCK = "40P01"
TRIES = 5


class Changed(RuntimeError):
    """What was looked up before the locks is no longer so; the locks are given back and taken anew."""


def root_of(customer: Customer) -> Customer:
    """The record that owns this one's rows; the customer itself where it was not merged."""
    if customer.merged_into_id is None:
        return customer
    return Customer.objects.get(pk=roots_of([customer.pk])[customer.pk])


def roots_of(ids: Iterable[int]) -> dict[int, int]:
    """The root of each of these customers, by id; one statement."""
    found = sql.rows("crm", "roots", {"ids": sorted(set(ids))})
    return {row["id"]: row["root"] for row in found}


def tree_of(customer_id: int) -> list[int]:
    """The customer and all it has absorbed, by id."""
    return [row["id"] for row in sql.rows("crm", "tree", {"id": customer_id})]


def again_on_deadlock(function: Callable[P, T]) -> Callable[P, T]:
    """Let a function that opens its own transaction try again where PostgreSQL ended it for another."""

    @wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        attempts = 1 if connection.in_atomic_block else TRIES
        while True:
            attempts -= 1
            try:
                return function(*args, **kwargs)
            except OperationalError as error:
                if attempts == 0 or getattr(error.__cause__, "pgcode", "") != DEADLOCK:
                    raise

    return wrapped


def until_steady(take: Callable[[], T]) -> T:
    """What `take` holds under lock; while it raises Changed, its locks are given back and it tries again."""
    for _attempt in range(20):
        try:
            with transaction.atomic():
                return take()
        except Changed:
            continue
    raise OperationalError("These customers change all the time. Try again in a moment.")


def hold_customers(ids: Collection[int]) -> dict[int, Customer]:
    """These customers and all their identities under lock: nothing of theirs comes, goes or is merged."""
    return until_steady(lambda: _hold_all(ids))


def _hold_all(ids: Collection[int]) -> dict[int, Customer]:
    held = hold_identities(Identity.objects.filter(customer_id__in=ids))
    customers = hold_rows(ids)
    if Identity.objects.filter(customer_id__in=ids).exclude(pk__in=held).exists():
        raise Changed
    return customers


def hold_identities(wanted: QuerySet[Identity]) -> dict[int, Identity]:
    """These identities FOR UPDATE, in order of id."""
    return {row.pk: row for row in wanted.select_for_update().order_by("pk")}


def hold_rows(ids: Collection[int]) -> dict[int, Customer]:
    """The records of these customers FOR UPDATE, in order of id; their identities are locked before."""
    found = Customer.objects.select_for_update().filter(pk__in=ids).order_by("pk")
    return {row.pk: row for row in found}


def hold_root(customer_id: int) -> Customer:
    """The record that owns this customer's rows, under a lock that no merge passes.

    For whoever writes a row that comes by no identity: a note, a task, a tag. Runs in their transaction.
    Raises Customer.DoesNotExist.
    """

    def take() -> Customer:
        root = roots_of([customer_id]).get(customer_id, customer_id)
        found: Customer = Customer.objects.select_for_update(no_key=True).get(pk=root)
        if found.merged_into_id is not None:
            raise Changed
        return found

    return until_steady(take)


def hold_unmerged(customer: Customer) -> Customer:
    """The record under the lock that a merge takes too, for whoever means this very record.

    Raises ValidationError where it was merged away.
    """
    found: Customer = Customer.objects.select_for_update().get(pk=customer.pk)
    if found.merged_into_id is not None:
        words = _("This customer was merged into %(pk)s.") % {"pk": found.merged_into_id}
        raise ValidationError(words, code="merged")
    return found


def repoint(tree: Sequence[int], to: int) -> list[int]:
    """Give identities and rows of these records to the root `to`; the ids of the identities."""
    theirs = Identity.objects.filter(
        Q(attached_to_id__in=tree) | Q(attached_to__isnull=True, home_customer_id__in=tree)
    )
    moved = list(theirs.order_by("pk").values_list("pk", flat=True))
    repoint_rows(moved, tree, to)
    return moved


def repoint_rows(identities: Sequence[int], homes: Sequence[int], to: int) -> None:
    """Re-point identities, the rows that came by them, and the rows of these homes that came by none.

    A row is found by its identity where it has one, so that a handle which was moved alone stays where it is.
    """
    Identity.objects.filter(pk__in=identities).update(customer_id=to)
    for holding in following():
        rows = Q(**{f"{holding.home_field}_id__in": list(homes)})
        if has_identity(holding):
            rows = Q(identity_id__in=list(identities)) | (rows & Q(identity__isnull=True))
        holding.model._default_manager.filter(rows).update(**{holding.customer_field: to})


def following() -> list[Holding]:
    """The tables whose rows go where their identity or their home goes."""
    return [one for one in privacy.holdings() if one.on_merge == "follow" and one.model not in _BY_ITSELF]


_BY_ITSELF = (Identity, Customer)


def has_identity(holding: Holding) -> bool:
    """Whether rows of this table name the identity they came by."""
    return any(field.name == "identity" for field in holding.model._meta.get_fields())


def refer_again(nodes: Collection[int]) -> None:
    """Say anew who referred these customers and whom they referred; nobody refers to themselves."""
    told = Q(home_referred_by__isnull=False) | Q(referred_by__isnull=False)
    rows = Customer.objects.filter(told, Q(pk__in=nodes) | Q(home_referred_by_id__in=nodes)).order_by("pk")
    found = list(rows.values_list("pk", "home_referred_by_id", "referred_by_id"))
    roots = roots_of({pk for row in found for pk in row[:2] if pk})
    for pk, home, known in found:
        root = roots[home] if home and roots[home] != roots[pk] else None
        if root != known:
            Customer.objects.filter(pk=pk).update(referred_by_id=root)


def forget_computed(customer_id: int) -> None:
    """Drop what was computed for a customer: a rebuild computes it anew for whoever is a root then."""
    for holding in privacy.holdings():
        if holding.on_merge == "recompute" and holding.model._meta.app_label != "crm":
            rows = holding.model._default_manager.filter(**{f"{holding.customer_field}_id": customer_id})
            rows._raw_delete(rows.db)
