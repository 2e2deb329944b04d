"""What a merge would bring together, side by side, before anybody says yes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import Count, F, Max, Min
from django.http import HttpRequest

from accounts.models import User
from core import privacy
from crm import custom_fields, facts, merge_fields
from crm.forms import CustomerForm
from crm.models import Customer, CustomField, Identity, MergeRecord, Stage
from crm.profile import language_name, sayings, shown
from crm.trees import following, tree_of

HISTORY = 20


@dataclass
class Column:
    """One of the customers: who they are, and what would come along."""

    customer: Customer
    identities: Sequence[Identity]
    counts: dict[type[models.Model], int] = field(default_factory=dict)
    first: datetime | None = None
    last: datetime | None = None
    is_kept: bool = False

    @property
    def rows(self) -> list[tuple[int, str]]:
        """How many rows of which table would come along."""
        return counted(self.counts)


def counted(counts: Mapping[type[models.Model], int]) -> list[tuple[int, str]]:
    """Numbers of rows with the word for them: 1 order, 2 orders."""
    return [
        (n, str(model._meta.verbose_name if n == 1 else model._meta.verbose_name_plural))
        for model, n in counts.items()
    ]


@dataclass(frozen=True)
class Option:
    """One customer's value of a field, and who said so."""

    customer: Customer
    value: str
    said: str
    is_chosen: bool


@dataclass(frozen=True)
class Row:
    """A field in which they differ."""

    name: str
    label: str
    options: list[Option]


@dataclass(frozen=True)
class Preview:
    """Everything the page of a merge shows."""

    columns: list[Column]
    rows: list[Row]

    @property
    def keep(self) -> Column:
        return next(column for column in self.columns if column.is_kept)

    @property
    def totals(self) -> list[tuple[int, str]]:
        """What one customer would have afterwards."""
        found: Counter[type[models.Model]] = Counter()
        for column in self.columns:
            found.update(column.counts)
        return counted(found)


def preview(customers: Sequence[Customer], *, keep: int | None = None) -> Preview:
    """The customers side by side, the one known longest kept unless `keep` names another."""
    oldest = min(customers, key=lambda one: (one.created_at, one.pk))
    kept = next((one for one in customers if one.pk == keep), oldest)
    columns = _columns(customers)
    columns[customers.index(kept)].is_kept = True
    return Preview(columns, _rows(customers, kept))


def _columns(customers: Sequence[Customer]) -> list[Column]:
    columns = {
        one.pk: Column(one, list(one.identities.order_by("pk")), first=one.created_at) for one in customers
    }
    for holding in following():
        if holding.model._meta.label == "crm.StageChange":
            continue
        owner = holding.customer_field
        rows = holding.model._default_manager.filter(**{f"{owner}__in": columns}).order_by()
        for pk, n in rows.values_list(owner).annotate(n=Count("pk")):
            columns[pk].counts[holding.model] = n
    for pk, first, last in _signs(columns):
        column = columns[pk]
        column.first = min(first, column.first or first)
        column.last = max(last, column.last or last)
    return list(columns.values())


def _signs(pks: Iterable[int]) -> Iterable[tuple[int, datetime, datetime]]:
    """When each of them was seen first and last, one line a table that knows."""
    for holding in privacy.holdings():
        if holding.seen_field:
            owned = holding.model._default_manager.filter(**{f"{holding.customer_field}__in": list(pks)})
            at = F(holding.seen_field)
            yield from (
                owned.order_by().values_list(holding.customer_field).annotate(first=Min(at), last=Max(at))
            )


def _rows(customers: Sequence[Customer], keep: Customer) -> list[Row]:
    drops = [one for one in customers if one is not keep]
    chosen = merge_fields.propose(keep, drops)
    said = {one.pk: sayings(one) for one in customers}
    words = Words(customers)
    rows = []
    for name in merge_fields.names_of(customers):
        values = [merge_fields.value_of(one, name) for one in customers]
        if all(value == values[0] for value in values):
            continue
        taken = chosen.get(name, keep.pk)
        rows.append(
            Row(
                name,
                words.label(name),
                [
                    Option(one, words.value(name, value), said[one.pk].get(name, ""), one.pk == taken)
                    for one, value in zip(customers, values, strict=True)
                ],
            )
        )
    return rows


class Words:
    """Fields and values as people read them."""

    def __init__(self, customers: Sequence[Customer]) -> None:
        self._own: dict[str, CustomField] = {
            facts.CUSTOM + one.key: one for one in custom_fields.fields(archived=True)
        }
        owners = {one.owner_id for one in customers if one.owner_id}
        referrers = {one.home_referred_by_id for one in customers if one.home_referred_by_id}
        self._owners = {user.pk: user.display_name for user in User.objects.filter(pk__in=owners)}
        self._referrers = {one.pk: str(one) for one in Customer.objects.filter(pk__in=referrers)}

    def label(self, name: str) -> str:
        """The field's name."""
        if name in self._own:
            return self._own[name].label
        form_field = CustomerForm.base_fields.get(name)
        label = form_field.label if form_field and form_field.label else name.removeprefix(facts.CUSTOM)
        return str(label).replace("_", " ").capitalize()

    def value(self, name: str, value: Any) -> str:
        """The value; "" for none."""
        if value in facts.EMPTY:
            return ""
        if name in self._own:
            return shown(self._own[name], value)
        if name == "owner":
            return self._owners.get(value, "")
        if name == "referred_by":
            return self._referrers.get(value, "")
        if name == "stage":
            return str(Stage(value).label)
        if name == "language":
            return language_name(value)
        return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


# History


@dataclass(frozen=True)
class History:
    """The merges that made this customer, and those taken back; `fresh` are the ones just done."""

    records: list[MergeRecord]
    fresh: list[MergeRecord]


def history(customer: Customer, fresh: Sequence[int] = ()) -> History:
    """Who merged what when, newest first, the undone ones too."""
    found = MergeRecord.objects.filter(keep__in=tree_of(customer.pk)) | MergeRecord.objects.filter(
        drop=customer
    )
    records = list(found.select_related("keep", "drop", "by", "undone_by").order_by("-at", "-pk")[:HISTORY])
    return History(records, [one for one in records if one.pk in fresh and one.undone_at is None])


def just_merged(request: HttpRequest) -> list[int]:
    """The merges that the address says were just done: `?merged=7,8`."""
    return [int(text) for text in request.GET.get("merged", "")[:200].split(",") if text.isdecimal()]
