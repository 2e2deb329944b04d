"""Cells of the customer list: {% load customer_cells %}."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import template

from crm import columns
from crm.affiliations import each_once
from crm.countries import country_name
from crm.models import Affiliation, Customer

register = template.Library()


@register.filter
def own_value(customer: Customer, column: columns.Column) -> str:
    """{{ customer|own_value:column }}: a value of the workspace's own field as people read it."""
    return columns.own_value(customer, column)


@register.filter
def badge_of(found: Mapping[Any, Any], key: Any) -> Any:
    """{{ badges|badge_of:customer.pk }}: what stands under a key; nothing where there is none."""
    return found.get(key) if found else None


@register.filter
def language_of(customer: Customer) -> str:
    """{{ customer|language_of }}: Swedish."""
    return columns.language(customer)


@register.filter
def country_of(customer: Customer) -> str:
    """{{ customer|country_of }}: Sweden."""
    return country_name(customer.country)


@register.filter
def organizations_of(customer: Customer) -> list[Affiliation]:
    """{{ customer|organizations_of }}: where they belong, of what was fetched beside the list."""
    return each_once(list(customer.affiliations.all()), "organization_id")
