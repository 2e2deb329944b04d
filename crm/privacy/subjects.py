"""Whom an export or an erasure is about, and what they are known by."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from django.db.models import QuerySet
from django.db.models.functions import Upper

from core import privacy
from core.privacy import Subject
from crm.identities import EMAIL, PHONE
from crm.models import Customer, Identity, Order, OrderLine
from crm.privacy.words import Words, gather, is_plain_word
from crm.trees import root_of, tree_of

LEAST_VALUE = 6
COMMON_FROM = 3
"""So many order lines that hold a word make it a word of the trade."""
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
"""A number, also where another network than the phone's uses it as its id."""


def subject_of(customer: Customer) -> Subject:
    """The whole person: the root, all it has absorbed, and records left behind without a handle."""
    root = root_of(customer)
    customers = [root.pk, *(pk for pk in tree_of(root.pk) if pk != root.pk)]
    theirs = Identity.objects.filter(customer_id__in=customers).order_by("pk")
    identities = list(theirs.values_list("pk", flat=True))
    return Subject((*customers, *_left_behind(identities, customers)), tuple(identities))


def _left_behind(identities: Sequence[int], customers: Sequence[int]) -> list[int]:
    """Customers whose only handle was attached to this one, and about whom nothing else is known."""
    homes = Identity.objects.filter(pk__in=identities).exclude(home_customer_id__in=customers)
    found = Customer.objects.filter(pk__in=homes.values("home_customer_id"), merged_into=None)
    return [one for one in found.order_by("pk").values_list("pk", flat=True) if not _owns_anything(one)]


def _owns_anything(customer: int) -> bool:
    if Customer.objects.filter(merged_into=customer).exists():
        return True
    return any(
        holding.model._default_manager.filter(**{f"{holding.customer_field}_id": customer}).exists()
        for holding in privacy.holdings()
        if holding.on_merge == "follow" and holding.on_erase == "delete" and holding.model is not Customer
    )


def words_of(subject: Subject) -> Words:
    """Everything this person can be recognized by, sorted by how far it reaches."""
    return gather(
        [*_known(subject), *privacy.further_words(subject)],
        borne=lambda words: privacy.used_elsewhere(words, subject),
    )


def _known(subject: Subject) -> Iterator[tuple[str, str]]:
    for customer in Customer.objects.filter(pk__in=subject.customers):
        yield "name", customer.name
        for value in customer.custom.values():
            if isinstance(value, str) and len(value) >= LEAST_VALUE and any(one.isdigit() for one in value):
                yield "id", value
    kinds = {EMAIL: "email", PHONE: "phone"}
    for identity in Identity.objects.filter(pk__in=subject.identities):
        yield "name", identity.name
        if _E164.fullmatch(identity.external_id):
            yield "phone", identity.external_id
        yield kinds.get(identity.network, "id"), identity.external_id
        if identity.handle != identity.external_id:
            yield "handle", identity.handle
        elif identity.network not in kinds:
            yield "handle", identity.external_id
    orders = Order.objects.filter(customer_id__in=subject.customers).order_by("-placed_at")
    for number, external_id in orders.values_list("number", "external_id"):
        yield "number", number
        yield "number", external_id


def borne_by_others(words: Sequence[str], subject: Subject) -> set[str]:
    """Those of these names and handles that other customers here bear too, whole or as a part of theirs."""
    found: set[str] = set()
    others = Customer.objects.exclude(pk__in=subject.customers)
    handles = Identity.objects.exclude(pk__in=subject.identities)
    for word in words:
        part = r"\m" + re.sub(r"([^\w])", r"\\\1", word) + r"\M"
        named = others.annotate(upper=Upper("name")).filter(upper__contains=word.upper(), name__iregex=part)
        held = handles.annotate(upper=Upper("handle")).filter(upper__in=[word.upper(), f"@{word.upper()}"])
        if named.exists() or held.exists() or _is_common(word, part, others):
            found.add(word)
    return found


def _is_common(word: str, part: str, others: QuerySet[Customer]) -> bool:
    """Whether it is a place where others live, or a word of what is sold here."""
    if not is_plain_word(word):
        return False
    sold = OrderLine.objects.filter(title__iregex=part)[:COMMON_FROM]
    return others.filter(city__iexact=word).exists() or len(sold) == COMMON_FROM


def counts_of(subject: Subject) -> Mapping[str, int]:
    """How many rows of each table name this person: what an erasure will take."""
    found: dict[str, int] = {}
    for holding in privacy.holdings():
        if holding.on_erase != "delete" or holding.export_for == "nobody" or holding.model is Customer:
            continue
        rows = holding.model._default_manager.filter(
            **{f"{holding.customer_field}_id__in": subject.customers}
        )
        label = str(holding.model._meta.verbose_name_plural)
        found[label] = found.get(label, 0) + rows.count()
    return {label: count for label, count in sorted(found.items()) if count}
