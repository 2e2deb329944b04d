"""What the palette finds among customers, orders, notes and tags."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any
from urllib.parse import urlencode

from django.contrib.postgres.search import SearchVector
from django.db.models import F, Q
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from accounts.permissions import can
from core import formatting
from core.finding import FEW, Fold, Like, Pattern, holds, starts, take
from core.paging import Sort, desc, paginate
from core.search import Action, Finder, Hit, beginning, register_action, register_place
from core.search import register as register_finder
from core.words import Words
from crm.finding import Wanted, find, orders
from crm.models import Customer, CustomerNote, Order, Tag
from crm.trees import roots_of

NEWEST = Sort(desc("pk"))
SHORTEST = 2
SHORTEST_ORDER = 3
SAMPLE = 100


def find_customers(text: str, user: Any, limit: int) -> Sequence[Hit]:
    """Customers: whom the text means exactly, a word of whose name begins with it, then who was seen last.

    Of a name that very many bear, these are the best among `SAMPLE` of them: the list has all.
    """
    if not can(user, "customer.read") or len(text) < SHORTEST:
        return []
    wanted = Wanted.of(text)
    found = find(wanted, few=SAMPLE)
    everybody = Customer.objects.visible_to(user).roots().filter(pk__in=found.ids)
    inside = Like(Fold("name"), Pattern("% ", wanted.text, "%"))
    begins = starts(Fold("name"), wanted.text) | Q(inside)
    best = everybody.annotate(begins=begins, known=Q(pk__in=found.exact))
    rows = best.order_by("-known", "-begins", F("last_seen_at").desc(nulls_last=True), "-pk")[:limit]
    return [_customer(row) for row in rows.prefetch_related("identities")]


def _customer(customer: Customer) -> Hit:
    return Hit(
        label=str(customer),
        url=customer.get_absolute_url(),
        detail=", ".join(str(identity) for identity in customer.identities.all()[:2]),
        icon="ti-user" if customer.kind == "person" else "ti-building",
        object="customer",
        id=customer.pk,
    )


def find_orders(text: str, user: Any, limit: int) -> Sequence[Hit]:
    """Orders whose number, or the shop's own id, is this or begins with it."""
    if not can(user, "customer.read") or len(text) < SHORTEST_ORDER:
        return []
    some = [pk for pk, _customer in orders(text, beginning=True)]
    rows = Order.objects.visible_to(user).filter(pk__in=some).select_related("customer")
    return [_order(row) for row in rows.order_by("-placed_at", "-pk")[:limit]]


def _order(order: Order) -> Hit:
    return Hit(
        label=str(order),
        url=order.customer.get_absolute_url(),
        detail=f"{order.customer} · {order.placed_at:%Y-%m-%d}",
        icon="ti-shopping-bag",
        object="order",
        id=order.pk,
    )


def find_notes(text: str, user: Any, limit: int) -> Sequence[Hit]:
    """Notes about customers that say this, newest first."""
    if not can(user, "customer.read") or len(text) < SHORTEST:
        return []
    rows = paginate(notes(user, beginning(text)).select_related("customer"), sort=NEWEST, limit=limit)
    return [_note(row) for row in rows]


def notes(user: Any, text: str) -> Any:
    """Notes about customers that say this; the few of a rare word by id, which the planner would not see."""
    query = Words.of(text).query
    every = CustomerNote.objects.all()
    if query is None or not can(user, "customer.read"):
        return every.none()
    said = every.alias(words=SearchVector("text", config="simple")).filter(words=query)
    some = take(said, "pk", limit=FEW + 1)
    return said if len(some) > FEW else every.filter(pk__in=[pk for (pk,) in some])


def _note(note: CustomerNote) -> Hit:
    return Hit(
        label=" ".join(note.text.split())[:90],
        url=note.customer.get_absolute_url(),
        detail=f"{note.customer} · {formatting.age(note.at)}",
        icon="ti-note",
        object="customer",
        id=note.customer_id,
    )


def find_tags(text: str, user: Any, limit: int) -> Sequence[Hit]:
    """Tags by any part of their name; each leads to the customers who carry it."""
    if not can(user, "customer.read") or len(text) < SHORTEST:
        return []
    folded = Fold("name")
    rows = Tag.objects.filter(holds(folded, text)).order_by("name")[:limit]
    return [
        Hit(
            label=row.name,
            url=f"{reverse('crm:customer-list')}?{urlencode({'tag': row.name})}",
            detail=_("Customers with this tag"),
            icon="ti-tag",
            object="tag",
            id=row.pk,
        )
        for row in rows
    ]


def name_customers(ids: Sequence[int], user: Any) -> dict[int, Hit]:
    """Customers whose page was opened before; a merged one is named by the record that owns it today."""
    if not can(user, "customer.read"):
        return {}
    roots = roots_of(ids)
    rows = Customer.objects.visible_to(user).filter(pk__in=set(roots.values())).prefetch_related("identities")
    hits = {row.pk: _customer(row) for row in rows}
    return {pk: hits[root] for pk, root in roots.items() if root in hits}


def register() -> None:
    """What customers give to the palette."""
    register_finder(Finder("customers", _lazy("Customers"), find_customers, "crm:customer-list", 10))
    register_finder(Finder("orders", _lazy("Orders"), find_orders, order=20))
    register_finder(Finder("notes", _lazy("Notes"), find_notes, order=50))
    register_finder(Finder("tags", _lazy("Tags"), find_tags, order=70))
    register_place("crm:customer", name_customers)
    for url_name, label, icon, verb in (
        ("crm:customer-new", _lazy("New customer"), "user-plus", "customer.edit"),
        ("crm:import", _lazy("Import a file"), "file-import", "import.run"),
    ):
        register_action(Action(url_name, label, icon, partial(_may, verb)))


def _may(verb: str, user: Any) -> bool:
    return can(user, verb)
