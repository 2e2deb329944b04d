"""Customers as rows of a file, streamed: a million of them take no more memory than a page of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from django.db.models import QuerySet

from crm import facts
from crm.models import Customer, CustomerTag, CustomField, Identity

CHUNK = 2000
FIELDS = (
    "id", "name", "kind", "stage", "language", "country", "city", "zone", "birth_year", "job", "profession",
    "company", "interests", "note", "profiling_refused", "created_at", "last_seen_at",
)  # fmt: skip
COLUMNS = (*FIELDS, "owner", "referred_by", "handles", "tags")
_READ = (*FIELDS, "owner__name", "referred_by_id", "custom")


def customer_header() -> list[str]:
    """The columns of customers in a file: their fields by name, and then the workspace's own."""
    own = CustomField.objects.filter(is_archived=False).values_list("key", flat=True)
    return [*COLUMNS, *(f"{facts.CUSTOM}{key}" for key in own)]


def customer_rows(found: QuerySet[Customer], header: Sequence[str]) -> Iterator[list[Any]]:
    """The customers of a list, the newest first, as cells under this `customer_header`."""
    newest = found.order_by("-pk").values_list(*_READ).iterator(chunk_size=CHUNK)
    while chunk := list(islice(newest, CHUNK)):
        yield from _cells(chunk, header)


def rows_of(ids: Sequence[int], header: Sequence[str]) -> Iterator[list[Any]]:
    """The cells of these customers, in the order of their ids here; one that is not there is left out."""
    found = {row[0]: row for row in Customer.objects.filter(pk__in=ids).values_list(*_READ)}
    return _cells([found[pk] for pk in ids if pk in found], header)


def _cells(chunk: Sequence[tuple[Any, ...]], header: Sequence[str]) -> Iterator[list[Any]]:
    """Handles and tags of a whole chunk with one statement each."""
    ids = [row[0] for row in chunk]
    handles = _grouped(
        (customer, f"{network}:{handle or external_id}")
        for customer, network, handle, external_id in Identity.objects.filter(customer__in=ids)
        .order_by("pk")
        .values_list("customer_id", "network", "handle", "external_id")
    )
    tags = _grouped(
        CustomerTag.objects.filter(customer__in=ids)
        .order_by("tag__name")
        .values_list("customer_id", "tag__name")
    )
    keys = [name.removeprefix(facts.CUSTOM) for name in header[len(COLUMNS) :]]
    for row in chunk:
        *fields, owner, referred_by, custom = row
        own = [custom.get(key) for key in keys]
        yield [*fields, owner, referred_by, handles.get(row[0], []), tags.get(row[0], []), *own]


def _grouped(pairs: Iterable[tuple[int, str]]) -> Mapping[int, list[str]]:
    """What belongs to each customer, each once."""
    found: dict[int, dict[str, None]] = {}
    for customer, word in pairs:
        found.setdefault(customer, {})[word] = None
    return {customer: list(words) for customer, words in found.items()}
