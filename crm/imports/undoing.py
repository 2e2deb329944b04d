"""Takes back what an import of customers did; whoever was changed since stays, with the reason.

A new customer goes when nobody wrote to them, bought, edited, merged or linked them since: what only follows
from their being there (traits, memberships, suspected pairs) goes with them. A changed customer gets back
what stood there, unless one of the changed values was changed again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Q

from core import privacy
from core.imports import NEW
from core.models import ImportedRow, ImportRun
from crm import facts
from crm.imports.writing import save_facts
from crm.models import (
    Affiliation,
    Consent,
    Customer,
    CustomerTag,
    CustomerTouch,
    Identity,
    MergeRecord,
    StageChange,
)

ADDED = {"tags": CustomerTag, "consents": Consent, "affiliations": Affiliation}
"""What a row may have added to a customer, by its name in `ImportedRow.before`."""


@dataclass
class Undoing:
    """One page of rows that are taken back."""

    run: ImportRun
    rows: Sequence[ImportedRow]
    stay: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.source = f"import:{self.run.source}"[:60]
        self.at: datetime = self.run.started_at or self.run.created_at
        ids = {row.object_id for row in self.rows if row.object_id}
        locked = Customer.objects.select_for_update().filter(pk__in=ids).order_by("pk")
        self.customers = {one.pk: one for one in locked}

    def of(self, outcome: str) -> list[ImportedRow]:
        """The rows of one outcome that do not stay, whose customer is still there."""
        return [
            row
            for row in self.rows
            if (row.outcome == NEW) == (outcome == NEW)
            and row.pk not in self.stay
            and row.object_id in self.customers
        ]

    def keep(self, rows: Iterable[ImportedRow], found: Collection[int], reason: str) -> None:
        """Rows whose customer is one of these stay."""
        for row in rows:
            if row.object_id in found:
                self.stay.setdefault(row.pk, reason)

    def is_ours(self, origin: Mapping[str, Any] | None) -> bool:
        """Whether this import said it."""
        return (
            origin is not None
            and origin["source"] == self.source
            and datetime.fromisoformat(origin["at"]) == self.at
        )

    def added(self, name: str, rows: Sequence[ImportedRow]) -> list[int]:
        """Ids of what these rows added."""
        return [pk for row in rows for pk in (row.before or {}).get(name, ())]


def undo(run: ImportRun, rows: Sequence[ImportedRow]) -> Mapping[int, str]:
    """Take these rows back; {id of a row that stays: why}."""
    undoing = Undoing(run, rows)
    for row in rows:
        if row.before is None:
            undoing.stay[row.pk] = "what was kept of this row was erased"
    _keep_changed_new(undoing)
    _keep_changed_old(undoing)
    _remove(undoing, undoing.of(NEW))
    _restore(undoing, undoing.of("changed"))
    return undoing.stay


# New customers


def _keep_changed_new(undoing: Undoing) -> None:
    rows = undoing.of(NEW)
    ids = [row.object_id for row in rows if row.object_id]
    undoing.keep(rows, [pk for pk in ids if _was_edited(undoing, undoing.customers[pk])], "edited since")
    merged = {pk for pk in ids if undoing.customers[pk].is_merged}
    merged |= set(Customer.objects.filter(merged_into__in=ids).values_list("merged_into_id", flat=True))
    for side in ("keep", "drop"):
        merged |= set(MergeRecord.objects.filter(**{f"{side}__in": ids}).values_list(f"{side}_id", flat=True))
    undoing.keep(rows, merged, "merged since")
    _keep_linked(undoing, rows, ids)
    for model, name, since in _lively(undoing, rows):
        found = model._base_manager.filter(since, **{f"{name}__in": ids}).values_list(name, flat=True)
        undoing.keep(rows, set(found), f"has {model._meta.verbose_name_plural} since")


def _was_edited(undoing: Undoing, customer: Customer) -> bool:
    if customer.owner_id is not None:
        return True
    origins = {name: one for name, one in customer.origins.items() if name != "profiling_refused"}
    return not all(undoing.is_ours(one) for one in origins.values())


def _keep_linked(undoing: Undoing, rows: Sequence[ImportedRow], ids: Sequence[int]) -> None:
    """Identities that came or went, and what hangs on the identities of the import."""
    others = Identity.objects.filter(Q(customer__in=ids) | Q(home_customer__in=ids)).exclude(
        source=undoing.source, created_at__gte=undoing.at
    )
    gone = Identity.objects.filter(home_customer__in=ids).exclude(customer__in=ids)
    linked = {pk for pair in others.values_list("customer_id", "home_customer_id") for pk in pair}
    linked |= set(gone.values_list("home_customer_id", flat=True))
    undoing.keep(rows, linked, "an identity was attached or detached since")
    for pk, what in _in_use(Identity.objects.filter(customer__in=ids), undoing.added("consents", rows)):
        undoing.keep(rows, [pk], what)


def _in_use(identities: Any, consents: Collection[int]) -> Iterable[tuple[int, str]]:
    """(customer, what) for identities that rows outside the import name."""
    owners = dict(identities.values_list("pk", "customer_id"))
    for holding in privacy.identity_holdings():
        name = holding.identity_field
        found = holding.model._base_manager.filter(**{f"{name}__in": list(owners)})
        if holding.model is Consent:
            found = found.exclude(pk__in=list(consents))
        for pk in found.values_list(name, flat=True).distinct():
            yield owners[pk], f"has {holding.model._meta.verbose_name_plural} since"


def _lively(undoing: Undoing, rows: Sequence[ImportedRow]) -> list[tuple[Any, str, Q]]:
    """Columns that name a customer by something that happened, and which of their rows are not ours."""
    ours = {
        model: ~Q(pk__in=undoing.added(name, rows)) if name != "affiliations" else Q()
        for name, model in ADDED.items()
    }
    ours[Affiliation] = ~Q(source=undoing.source, created_at__gte=undoing.at)
    ours[StageChange] = Q(by__isnull=False)
    found = []
    for holding in privacy.holdings():
        if holding.on_merge == "follow" and holding.model is not Identity:
            found.append((holding.model, f"{holding.customer_field}_id", ours.get(holding.model, Q())))
    return found


def _remove(undoing: Undoing, rows: Sequence[ImportedRow]) -> None:
    """Delete new customers and all that only follows from them; then organizations nobody belongs to."""
    ids = [row.object_id for row in rows if row.object_id]
    if not ids:
        return
    organizations = _organizations_of(undoing, rows, ids)
    _delete_customers(ids)
    empty = set(organizations) - set(
        Affiliation.objects.filter(organization__in=organizations).values_list("organization_id", flat=True)
    )
    _delete_customers(_untouched(undoing, empty))


def _organizations_of(undoing: Undoing, rows: Sequence[ImportedRow], ids: Sequence[int]) -> list[int]:
    """Organizations that these rows brought with them, and where these people were."""
    found = Affiliation.objects.filter(Q(pk__in=undoing.added("affiliations", rows)) | Q(person__in=ids))
    return sorted(set(found.values_list("organization_id", flat=True)))


def _untouched(undoing: Undoing, ids: Collection[int]) -> list[int]:
    """Those of these organizations that the import made and nobody did anything with."""
    made = Customer.objects.select_for_update().filter(pk__in=ids, merged_into=None).order_by("pk")
    free = {one.pk for one in made if one.origins and not _was_edited(undoing, one)}
    busy = set(
        Identity.objects.filter(customer__in=free)
        .exclude(source=undoing.source, created_at__gte=undoing.at)
        .values_list("customer_id", flat=True)
    )
    for model, name, since in _lively(undoing, ()):
        busy |= set(model._base_manager.filter(since, **{f"{name}__in": free}).values_list(name, flat=True))
    busy |= {pk for pk, _what in _in_use(Identity.objects.filter(customer__in=free), ())}
    return sorted(free - busy)


def _delete_customers(ids: Collection[int]) -> None:
    """The rows of all tables that hold these customers, then the customers."""
    if not ids:
        return
    for holding in privacy.holdings():
        if holding.model in (Customer, Identity) or holding.on_erase == "clear":
            continue
        if holding.erase is not None:
            holding.erase(list(ids))
        else:
            gone = holding.model._base_manager.filter(**{f"{holding.customer_field}__in": list(ids)})
            gone._raw_delete(gone.db)
    identities = Identity.objects.filter(customer__in=list(ids))
    identities._raw_delete(identities.db)
    customers = Customer.objects.filter(pk__in=list(ids))
    customers._raw_delete(customers.db)


# Changed customers


def _keep_changed_old(undoing: Undoing) -> None:
    rows = undoing.of("changed")
    for row in rows:
        customer = undoing.customers[row.object_id or 0]
        again = [name for name in _fields(row) if not _stands(undoing, customer, name, _fields(row)[name])]
        if again:
            undoing.stay[row.pk] = f"changed since: {', '.join(sorted(again))}"
    added = Identity.objects.filter(pk__in=undoing.added("identities", rows))
    owner_of_row = {pk: row for row in rows for pk in (row.before or {}).get("identities", ())}
    for identity in added:
        if identity.customer_id != owner_of_row[identity.pk].object_id:
            undoing.stay.setdefault(
                owner_of_row[identity.pk].pk, "an identity was attached or detached since"
            )
    for pk, what in _in_use(added, undoing.added("consents", rows)):
        undoing.keep(rows, [pk], what)


def _fields(row: ImportedRow) -> dict[str, list[Any]]:
    return dict((row.before or {}).get("fields", {}))


def _stands(undoing: Undoing, customer: Customer, name: str, change: Sequence[Any]) -> bool:
    return facts.value_of(customer, name) == change[1] and undoing.is_ours(customer.origins.get(name))


def _restore(undoing: Undoing, rows: Sequence[ImportedRow]) -> None:
    """Values go back with their origins, and what was added goes."""
    for row in rows:
        customer = undoing.customers[row.object_id or 0]
        for name, (before, _after, origin) in _fields(row).items():
            facts.put_back(customer, name, before, origin)
    save_facts([undoing.customers[row.object_id or 0] for row in rows if _fields(row)])
    organizations = _organizations_of(undoing, rows, ())
    for name, model in ADDED.items():
        gone = model._base_manager.filter(pk__in=undoing.added(name, rows))
        gone._raw_delete(gone.db)
    identities = Identity.objects.filter(pk__in=undoing.added("identities", rows))
    identities._raw_delete(identities.db)
    _delete_customers(_untouched(undoing, set(organizations) - _peopled(organizations)))
    ids = sorted({row.object_id for row in rows if row.object_id})
    CustomerTouch.objects.bulk_create([CustomerTouch(customer_id=pk) for pk in ids])


def _peopled(organizations: Collection[int]) -> set[int]:
    found = Affiliation.objects.filter(organization__in=organizations)
    return set(found.values_list("organization_id", flat=True))
