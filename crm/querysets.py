"""Reads of customers, identities and orders that are worth a name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import models
from django.db.models import Prefetch, Q, Value
from django.db.models.functions import Coalesce, NullIf
from django.utils import timezone

from core.finding import Fold, FoundQuerySet

PIECE = 16_384
"""Customers are searched by pieces of so many ids where a search finds too much."""
SHOWN = Fold(Coalesce(NullIf("handle", Value("")), "external_id"))
"""A handle as it is looked for; the id stands in where there is none."""


class CustomerQuerySet(FoundQuerySet):
    """Customers."""

    def visible_to(self, user: Any) -> CustomerQuerySet:
        """All staff see all customers; what they did is filtered row by row elsewhere."""
        return self if user.is_active else self.none()

    def roots(self) -> CustomerQuerySet:
        """Customers that were not merged away."""
        return self.filter(merged_into__isnull=True)

    def matching(self, text: str) -> CustomerQuerySet:
        """Whom a text means (`crm.finding`); a search that finds too much is read by pieces."""
        from crm.finding import Broad, Wanted, find, matches

        if not text.strip():
            return self
        wanted = Wanted.of(text)
        found = find(wanted)
        if not found.is_broad:
            return self.filter(pk__in=found.ids)
        return self.filter(matches(wanted, found.exact)).found_by(Broad(wanted, found.exact))

    def for_list(self) -> CustomerQuerySet:
        """What a row of the customer list shows."""
        from crm.models import CustomerTag, Identity

        return self.prefetch_related(
            Prefetch("identities", Identity.objects.order_by("id")),
            Prefetch("customer_tags", CustomerTag.objects.select_related("tag").order_by("tag__name")),
        )


class IdentityQuerySet(models.QuerySet[Any]):
    """Handles, addresses and numbers."""

    def visible_to(self, user: Any) -> IdentityQuerySet:
        """All staff see who customers are."""
        return self if user.is_active else self.none()


class OrderQuerySet(models.QuerySet[Any]):
    """Purchases."""

    def visible_to(self, user: Any) -> OrderQuerySet:
        """All staff see what customers bought."""
        return self if user.is_active else self.none()

    def ids_of(self, source: str, external_ids: Iterable[str]) -> dict[str, int]:
        """Our id of each of these orders of one shop, by the shop's."""
        found = self.filter(source=source, external_id__in=list(external_ids))
        return dict(found.values_list("external_id", "pk"))

    def paid(self) -> OrderQuerySet:
        """Orders that count as purchases."""
        return self.filter(status__in=["paid", "refunded"])


class SuspectQuerySet(models.QuerySet[Any]):
    """Pairs of customers who may be one."""

    def visible_to(self, user: Any) -> SuspectQuerySet:
        """All staff see who customers are."""
        return self if user.is_active else self.none()

    def waiting(self) -> SuspectQuerySet:
        """Those that somebody should look at: open, or put off until a day that has come."""
        due = Q(state="open") | Q(state="later", later_until__lte=timezone.localdate())
        apart = Q(low__merged_into__isnull=True, high__merged_into__isnull=True)
        return self.filter(apart, due, state__in=["open", "later"])

    def of_customer(self, customer_id: int) -> SuspectQuerySet:
        return self.filter(Q(low_id=customer_id) | Q(high_id=customer_id))

    def with_customers(self) -> SuspectQuerySet:
        """Both records with their handles, as a row of the queue shows them."""
        from crm.models import Identity

        handles = [
            Prefetch(f"{side}__identities", Identity.objects.order_by("id")) for side in ("low", "high")
        ]
        return self.select_related("low", "high").prefetch_related(*handles)
