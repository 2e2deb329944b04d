"""By what ad spend, plans and lookalikes are filtered and sorted."""

from __future__ import annotations

import django_filters

from core.filters import IdFilter, SearchFilter
from core.paging import Sort, asc, desc
from personas.models import AdSpend, ReachPlan

SPEND_SORTS = {"-day": Sort(desc("day")), "day": Sort(asc("day")), "-amount": Sort(desc("amount"))}
PLAN_SORTS = {"-created": Sort(desc("created_at")), "first_day": Sort(asc("first_day"))}
LOOKALIKE_SORTS = {"-typicality": Sort(desc("typicality"), desc("customer_id"))}
"""The tie is broken by the customer, so that two nights list equals in one order."""


class AdSpendFilter(django_filters.FilterSet):
    """Filters of ad spend."""

    network = SearchFilter(lookup_expr="exact", max_length=30, label="On this network")
    campaign = SearchFilter(lookup_expr="icontains", label="Any part of the campaign's name")
    day_from = django_filters.DateFilter(field_name="day", lookup_expr="gte", label="From this day on")
    day_until = django_filters.DateFilter(field_name="day", lookup_expr="lte", label="Up to this day")

    class Meta:
        model = AdSpend
        fields: tuple[str, ...] = ()


class PlanFilter(django_filters.FilterSet):
    """Filters of plans."""

    q = SearchFilter(field_name="name", lookup_expr="icontains", label="Any part of the name")
    persona = IdFilter(field_name="persona_id", label="For this persona")
    segment = IdFilter(field_name="segment_id", label="For this segment")

    class Meta:
        model = ReachPlan
        fields: tuple[str, ...] = ()
