"""By what customers, identities and orders are filtered, on pages and over the API alike."""

from __future__ import annotations

from typing import Any

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext_lazy as _

from core.filters import IdFilter, SearchFilter, WhenFilter
from core.models import Workspace
from core.paging import EPOCH, Sort, asc, desc
from crm.identities import BadIdentity, normalize
from crm.models import Customer, CustomerKind, CustomerTag, Identity, Order, OrderStatus, Stage

CUSTOMER_SORTS = {
    "-last_seen": Sort(desc("last_seen_at", null=EPOCH), label=str(_("Heard from last"))),
    "last_seen": Sort(asc("last_seen_at", null=EPOCH), label=str(_("Quiet longest"))),
    "name": Sort(asc("name"), label=str(_("Name, A to Z"))),
    "-name": Sort(desc("name"), label=str(_("Name, Z to A"))),
    "-id": Sort(desc("pk"), label=str(_("Newest"))),
    "id": Sort(asc("pk"), label=str(_("Oldest"))),
}
ORDER_SORTS = {
    "-placed": Sort(desc("placed_at")),
    "placed": Sort(asc("placed_at")),
    "-id": Sort(desc("pk")),
    "id": Sort(asc("pk")),
}


class CustomerFilter(django_filters.FilterSet):
    """Filters of the customer list."""

    q = SearchFilter(method="search", label=_("Any part of a name, handle, address or number"))
    kind = django_filters.ChoiceFilter(choices=CustomerKind.choices, label=_("Person or organization"))
    stage = django_filters.ChoiceFilter(choices=Stage.choices, label=_("Journey stage"))
    network = django_filters.CharFilter(
        method="by_network", max_length=30, label=_("Has an identity on this network")
    )
    tag = django_filters.CharFilter(method="by_tag", max_length=60, label=_("Carries this tag"))
    owner = IdFilter(field_name="owner_id", label=_("Looked after by this member of staff"))
    country = django_filters.CharFilter(
        field_name="country", max_length=2, label=_("Two letters of ISO 3166")
    )
    language = django_filters.CharFilter(
        field_name="language", max_length=8, label=_("Language tag, such as en")
    )
    seen_since = WhenFilter(
        field_name="last_seen_at", lookup_expr="gte", label=_("Heard from at or after this moment")
    )
    seen_before = WhenFilter(
        field_name="last_seen_at", lookup_expr="lt", label=_("Last heard from before this moment")
    )
    created_since = WhenFilter(
        field_name="created_at", lookup_expr="gte", label=_("Known since this moment or later")
    )

    class Meta:
        model = Customer
        fields: tuple[str, ...] = ()

    def search(self, found: Any, name: str, value: str) -> Any:
        return found.matching(value)

    def by_network(self, found: QuerySet[Customer], name: str, value: str) -> QuerySet[Customer]:
        return found.filter(Exists(Identity.objects.filter(customer=OuterRef("pk"), network=value)))

    def by_tag(self, found: QuerySet[Customer], name: str, value: str) -> QuerySet[Customer]:
        put = CustomerTag.objects.filter(customer=OuterRef("pk"), tag__name__iexact=value)
        return found.filter(Exists(put))


class IdentityForm(forms.Form):
    """An id is looked up as it is stored, whatever way it is written."""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        network, external_id = cleaned.get("network"), cleaned.get("external_id")
        if external_id and not network:
            # An id alone means somebody else on each network.
            self.add_error("network", ValidationError(_("Name the network of this id too."), code="invalid"))
        elif external_id and network:
            try:
                cleaned["external_id"] = normalize(network, external_id, country=Workspace.current().country)
            except BadIdentity as error:
                self.add_error("external_id", ValidationError(str(error), code="invalid"))
        return cleaned


class IdentityFilter(django_filters.FilterSet):
    """Filters of identities."""

    network = django_filters.CharFilter(max_length=30, label=_("Network"))
    external_id = django_filters.CharFilter(
        max_length=320, label=_("The network's own id; name the network too")
    )
    issuer = django_filters.CharFilter(max_length=200, label=_("Who gave the id"))
    customer = IdFilter(field_name="customer_id", label=_("Of this customer"))

    class Meta:
        model = Identity
        form = IdentityForm
        fields: tuple[str, ...] = ()


class OrderFilter(django_filters.FilterSet):
    """Filters of orders."""

    customer = IdFilter(field_name="customer_id", label=_("Of this customer"))
    source = django_filters.CharFilter(max_length=60, label=_("From this shop"))
    external_id = django_filters.CharFilter(max_length=120, label=_("The shop's own id"))
    status = django_filters.ChoiceFilter(choices=OrderStatus.choices, label=_("Status"))
    currency = django_filters.CharFilter(max_length=3, label=_("As paid, such as EUR"))
    placed_since = WhenFilter(
        field_name="placed_at", lookup_expr="gte", label=_("Placed at or after this moment")
    )
    placed_before = WhenFilter(field_name="placed_at", lookup_expr="lt", label=_("Placed before this moment"))
    updated_since = WhenFilter(
        field_name="updated_at", lookup_expr="gte", label=_("Changed at or after this moment")
    )

    class Meta:
        model = Order
        fields: tuple[str, ...] = ()
