"""What each panel of the customer page shows, collected for the page.

A panel is a function of (request, customer) that lives beside its subject and is named here; what it
answers stands in the page's context under the panel's name, and `crm/_customer_<name>.html` renders it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from django.http import HttpRequest

from crm import (
    affiliations,
    consent_panel,
    journey_steps,
    merge_preview,
    notes,
    profile,
    suspect_views,
    task_views,
)
from crm.models import Customer
from crm.privacy import views as privacy_views

Panel = Callable[[HttpRequest, Customer], Any]


def identities(request: HttpRequest, customer: Customer) -> Any:
    """Handles, addresses and numbers, the oldest first."""
    return list(customer.identities.order_by("id"))


def merges(request: HttpRequest, customer: Customer) -> Any:
    """Who merged what when, and what was just merged."""
    return merge_preview.history(customer, merge_preview.just_merged(request))


PANELS: Mapping[str, Panel] = MappingProxyType(
    {
        "identities": identities,
        "merges": merges,
        "journey": journey_steps.panel,
        "consents": consent_panel.consents,
        "profile": profile.panel,
        "tasks": task_views.panel,
        "notes": notes.panel,
        "people": affiliations.panel,
        "privacy": privacy_views.panel,
        "suspects": suspect_views.panel,
    }
)


def collect(request: HttpRequest, customer: Customer) -> dict[str, Any]:
    """What all panels show: {name of the panel: what it answers}."""
    return {name: panel(request, customer) for name, panel in PANELS.items()}
