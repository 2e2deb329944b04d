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
from crm import custom_fields
from crm.groups import GroupFilter
from crm.identities import BadIdentity, normalize
from crm.models import (
    Affiliation,
    Customer,
    CustomerKind,
    CustomerTag,
    CustomField,
    FieldType,
    Identity,
    Order,
    OrderStatus,
    Stage,
    Task,
)
from crm.todo import tasks_due

OWN = "cf_"
"""Before the key of one of the workspace's own fields, as a filter or a column."""
MOST_IDS = 500
TASKS = [
    ("any", _("Any")),
    ("overdue", _("Overdue")),
    ("today", _("Due today or late")),
    ("week", _("Within a week")),
]

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


class IdsFormField(forms.Field):
    """Numbers of rows, given again and again or with commas between."""

    widget = forms.MultipleHiddenInput

    def clean(self, value: Any) -> list[int]:
        texts = [part.strip() for text in value or () for part in str(text).split(",") if part.strip()]
        if any(not part.isascii() or not part.isdecimal() or len(part) > 18 for part in texts):
            raise ValidationError(_("Give numbers with commas between."), code="invalid")
        if len(texts) > MOST_IDS:
            raise ValidationError(_("Give at most %(n)d.") % {"n": MOST_IDS}, code="max_length")
        return [int(part) for part in texts]


class IdsFilter(django_filters.Filter):
    """Some rows by their ids."""

    field_class = IdsFormField


class CustomerFilter(django_filters.FilterSet):
    """Filters of the customer list; those on the workspace's own fields are called cf_<key>."""

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
    organization = IdFilter(method="by_organization", label=_("Belongs to this organization"))
    task = django_filters.ChoiceFilter(
        method="by_task", choices=TASKS, label=_("Has an open task: any, overdue, due today, within a week")
    )
    persona = GroupFilter("persona", label=_("Of this persona (its number), or none"))
    segment = GroupFilter("segment", label=_("In this segment (its number), or none"))
    ids = IdsFilter(method="by_ids", label=_("These customers, numbers with commas between"))

    class Meta:
        model = Customer
        fields: tuple[str, ...] = ()

    def __init__(self, data: Any = None, *args: Any, **options: Any) -> None:
        super().__init__(data, *args, **options)
        if any(name.startswith(OWN) for name in data or ()):
            self.filters.update(self._own())

    def _own(self) -> dict[str, django_filters.Filter]:
        found = own_filters()
        for filter_ in found.values():
            filter_.parent, filter_.model = self, Customer
        return found

    def by_organization(self, found: QuerySet[Customer], name: str, value: Any) -> QuerySet[Customer]:
        rows = Affiliation.objects.filter(person=OuterRef("pk"), organization_id=value)
        return found.filter(Exists(rows))

    def by_task(self, found: QuerySet[Customer], name: str, value: str) -> QuerySet[Customer]:
        return found.filter(Exists(Task.objects.filter(tasks_due(value), customer=OuterRef("pk"))))

    def by_ids(self, found: QuerySet[Customer], name: str, value: list[int]) -> QuerySet[Customer]:
        return found.filter(pk__in=value) if value else found

    def search(self, found: Any, name: str, value: str) -> Any:
        return found.matching(value)

    def by_network(self, found: QuerySet[Customer], name: str, value: str) -> QuerySet[Customer]:
        return found.filter(Exists(Identity.objects.filter(customer=OuterRef("pk"), network=value)))

    def by_tag(self, found: QuerySet[Customer], name: str, value: str) -> QuerySet[Customer]:
        put = CustomerTag.objects.filter(customer=OuterRef("pk"), tag__name__iexact=value)
        return found.filter(Exists(put))


def own_filters() -> dict[str, django_filters.Filter]:
    """cf_<key> of each of the workspace's own fields; of numbers and dates cf_<key>_min and _max too."""
    found: dict[str, django_filters.Filter] = {}
    for field in custom_fields.fields():
        name, column = f"{OWN}{field.key}", f"custom__{field.key}"
        found[name] = OwnFilter(field, field_name=column, lookup_expr=_exactness(field), label=field.label)
        if field.type in (FieldType.NUMBER, FieldType.DATE):
            for end, lookup in (("min", "gte"), ("max", "lte")):
                label = f"{field.label}, {end}"
                found[f"{name}_{end}"] = OwnFilter(field, field_name=column, lookup_expr=lookup, label=label)
    return found


def _exactness(field: CustomField) -> str:
    return "icontains" if field.type in (FieldType.TEXT, FieldType.URL) else "exact"


class OwnFormField(forms.CharField):
    """A value of one of the workspace's own fields, read as it is when it is written."""

    def __init__(self, own: CustomField, **options: Any) -> None:
        super().__init__(**options)
        self.own = own

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if not text or self.own.type == FieldType.URL:
            return text or None
        try:
            return custom_fields.clean_value(self.own, text)
        except ValueError as error:
            raise ValidationError(str(error), code="invalid") from error


class OwnFilter(django_filters.Filter):
    """By a value of one of the workspace's own fields; no condition is put where nothing was typed."""

    field_class = OwnFormField

    def __init__(self, own: CustomField, **options: Any) -> None:
        super().__init__(own=own, **options)

    def filter(self, qs: Any, value: Any) -> Any:
        return qs if value is None else qs.filter(**{f"{self.field_name}__{self.lookup_expr}": value})


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
    persona = GroupFilter("persona", by="customer_id", label=_("Of customers of this persona, or none"))
    segment = GroupFilter("segment", by="customer_id", label=_("Of customers in this segment, or none"))

    class Meta:
        model = Order
        fields: tuple[str, ...] = ()
