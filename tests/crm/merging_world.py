"""A small shop whose customers arrive, are attached, merged and parted again, and an oracle beside it.

The oracle is plain Python over dictionaries: it keeps who was written for whom and which merges stand, and
says from that alone who must own each row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.apps import apps
from django.db import models

from crm.attaching import attach_existing, detach_identity
from crm.merging import CannotMerge, merge_several, undo_merge
from crm.models import (
    Affiliation,
    Consent,
    Customer,
    CustomerNote,
    CustomerTag,
    Identity,
    MergeRecord,
    Order,
    Tag,
    Task,
)
from crm.orders import store_orders
from engagement.ingest import ingest
from engagement.models import Conversation, Interaction
from tests.crm.orders import order
from tests.engagement.events import START, account, inbound

HANDLES = ("eva", "ben", "cia", "dan", "edo", "fay")
COMPUTED = {"crm.CustomerTouch", "personas.ChangedCustomer"}
HISTORY = {"crm.MergeRecord", "crm.Suspect"}


@dataclass
class Oracle:
    """Who owns what, by names of handles and numbers of rows."""

    parent: dict[int, int] = field(default_factory=dict)
    """The customer each merged one went into."""
    merges: dict[int, tuple[int, int]] = field(default_factory=dict)
    """(keep, drop) of the merges that stand, by record."""
    home: dict[str, int] = field(default_factory=dict)
    seat: dict[str, int] = field(default_factory=dict)
    """Where a handle stands: its home, or whom somebody moved it to."""
    by_handle: dict[str, str] = field(default_factory=dict)
    """Rows that came by a handle: {"line m7": "eva"}."""
    by_home: dict[str, int] = field(default_factory=dict)
    """Rows that came by none: {"note 3": customer}."""

    def root(self, customer: int) -> int:
        while customer in self.parent:
            customer = self.parent[customer]
        return customer

    def owner(self, handle: str) -> int:
        return self.root(self.seat[handle])

    def owned(self) -> dict[str, int]:
        """The customer of every row."""
        rows = {f"handle {name}": self.owner(name) for name in self.seat}
        rows |= {row: self.owner(handle) for row, handle in self.by_handle.items()}
        return rows | {row: self.root(home) for row, home in self.by_home.items()}

    def merge(self, record: int, keep: int, drop: int) -> None:
        self.merges[record] = (keep, drop)
        self.parent[drop] = keep

    def undo(self, record: int) -> None:
        _keep, drop = self.merges.pop(record)
        del self.parent[drop]

    def handles_of(self, customer: int) -> list[str]:
        return [name for name in self.seat if self.owner(name) == customer]


class World:
    """The database and the oracle, moved by the same steps."""

    def __init__(self, staff: Any) -> None:
        self.staff = staff
        self.oracle = Oracle()
        self.page = account("page")
        self.tag = Tag.objects.create(name="vip")
        self.number = 0

    # Steps

    def arrive(self, name: str, *, answer_to: str = "") -> None:
        """A message comes; in the thread of somebody else where `answer_to` says so."""
        n = self._next()
        thread = f"wall {answer_to or name}"
        ingest(self.page, [inbound(f"m{n}", who=name, minute=n, thread=thread)])
        self._learn(name)
        self.oracle.by_handle[f"line m{n}"] = name
        talk = Interaction.objects.get(external_id=f"m{n}").conversation_id
        self.oracle.by_handle.setdefault(f"talk {talk}", name)

    def buy(self, name: str) -> None:
        n = self._next()
        bought = order(
            f"o{n}", buyer=name, network="instagram", issuer="", placed_at=START + timedelta(minutes=n)
        )
        store_orders("shop", [bought])
        self._learn(name)
        self.oracle.by_handle[f"order o{n}"] = name

    def agree(self, name: str) -> None:
        identity = self._identity(name)
        made = Consent.objects.create(
            identity=identity, purpose="marketing", given=True, source="test",
            customer=identity.customer, home_customer=identity.home_customer,
        )  # fmt: skip
        self.oracle.by_handle[f"consent {made.pk}"] = name

    def keep_record(self, name: str) -> None:
        """Staff write a note, a task and a tag about whoever has this handle."""
        owner = self._identity(name).customer
        both = {"customer": owner, "home_customer": owner}
        note = CustomerNote.objects.create(text=f"note {self._next()}", **both)
        task = Task.objects.create(title="call", **both)
        put, made = CustomerTag.objects.get_or_create(
            tag=self.tag, home_customer=owner, defaults={"customer": owner}
        )
        self.oracle.by_home |= {f"note {note.pk}": owner.pk, f"task {task.pk}": owner.pk}
        if made:
            self.oracle.by_home[f"tag {put.pk}"] = owner.pk

    def attach(self, name: str, to: str) -> None:
        oracle, identity = self.oracle, self._identity(name)
        source, target = oracle.owner(name), oracle.owner(to)
        is_all = oracle.handles_of(source) == [name]
        outcome = attach_existing(identity=identity, to=Customer.objects.get(pk=target), by=self.staff)
        if source == target:
            assert outcome.merge is None
        elif is_all:
            assert outcome.merge is not None
            oracle.merge(outcome.merge.pk, target, source)
        else:
            oracle.seat[name] = target

    def detach(self, name: str) -> None:
        oracle = self.oracle
        owner, home, seat = oracle.owner(name), oracle.home[name], oracle.seat[name]
        outcome = detach_identity(identity=self._identity(name), by=self.staff)
        if oracle.root(home) != owner:
            oracle.seat[name] = oracle.root(home)
        elif seat != owner:
            assert outcome.merge is not None
            assert oracle.merges[outcome.merge.pk][1] == seat
            oracle.undo(outcome.merge.pk)
        else:
            assert outcome.is_new
            oracle.seat[name] = outcome.customer.pk

    def merge(self, names: list[str], chosen: dict[str, int] | None = None) -> list[MergeRecord]:
        """Merge everybody who has one of these handles into the owner of the first."""
        owners = list(dict.fromkeys(self.oracle.owner(name) for name in names))
        keep, *drops = [Customer.objects.get(pk=pk) for pk in owners]
        if not drops:
            return []
        records = merge_several(keep=keep, drops=drops, fields=chosen, by=self.staff)
        for record in records:
            self.oracle.merge(record.pk, keep.pk, record.drop_id)
        return records

    def undo(self, place: int) -> None:
        standing = sorted(self.oracle.merges)
        if not standing:
            return
        pk = standing[place % len(standing)]
        undo_merge(record=MergeRecord.objects.get(pk=pk), by=self.staff)
        self.oracle.undo(pk)

    def undo_all(self, order: list[int]) -> None:
        for place in order:
            self.undo(place)
        while self.oracle.merges:
            self.undo(0)

    # Looking

    def owned(self) -> dict[str, int]:
        """The customer of every row, as the database has it."""
        found: dict[str, Any] = {}
        found |= {f"handle {row.external_id}": row.customer_id for row in Identity.objects.all()}
        found |= {f"line {row.external_id}": row.customer_id for row in Interaction.objects.all()}
        found |= {f"order {row.external_id}": row.customer_id for row in Order.objects.all()}
        for name, model in _NUMBERED.items():
            found |= {f"{name} {row.pk}": row.customer_id for row in model.objects.all()}
        return found

    def known(self) -> list[str]:
        return sorted(self.oracle.seat)

    def _next(self) -> int:
        self.number += 1
        return self.number

    def _identity(self, name: str) -> Identity:
        return Identity.objects.get(external_id=name)

    def _learn(self, name: str) -> None:
        if name not in self.oracle.seat:
            identity = self._identity(name)
            self.oracle.home[name] = self.oracle.seat[name] = identity.home_customer_id


_NUMBERED: dict[str, Any] = {
    "talk": Conversation, "consent": Consent, "note": CustomerNote, "task": Task, "tag": CustomerTag,
}  # fmt: skip


def snapshot() -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table that names a customer, all columns; without computed rows and the history."""
    found = {}
    for model in apps.get_models():
        label = model._meta.label
        if label in COMPUTED | HISTORY or (model is not Customer and not names_customer(model)):
            continue
        columns = [field.attname for field in model._meta.concrete_fields]
        rows = model._default_manager.order_by("pk").values_list(*columns)
        found[label] = [tuple(_plain(value) for value in row) for row in rows]
    return found


def names_customer(model: type[models.Model]) -> bool:
    """Whether a table has a column that names a customer."""
    return any(
        isinstance(field, models.ForeignKey) and field.related_model is Customer
        for field in model._meta.concrete_fields
    )


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else repr(value)


def belongs(person: Customer, organization: Customer) -> Affiliation:
    """A person in an organization."""
    return Affiliation.objects.create(
        home_person=person, person=person, home_organization=organization, organization=organization
    )


__all__ = ["HANDLES", "CannotMerge", "Oracle", "World", "belongs", "names_customer", "snapshot"]
