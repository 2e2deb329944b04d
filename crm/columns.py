"""Which columns the customer list shows: by its address, and remembered while one is signed in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from crm import custom_fields
from crm.filters import OWN
from crm.models import Affiliation, Customer, CustomField
from crm.profile import language_name, shown

PARAM = "columns"
REMEMBERED = "customer_columns"


@dataclass(frozen=True)
class Column:
    """One column: its name in the address, its label, and the field of the workspace's own it shows."""

    name: str
    label: str | Promise
    own: CustomField | None = None


FIXED = (
    Column("handles", _("Handles")),
    Column("stage", _("Stage")),
    Column("persona", _("Persona")),
    Column("segment", _("Newest segment")),
    Column("tags", _("Tags")),
    Column("place", _("Place")),
    Column("owner", _("Looked after by")),
    Column("organizations", _("Organizations")),
    Column("job", _("Works as")),
    Column("company", _("At")),
    Column("language", _("Language")),
    Column("birth_year", _("Born")),
    Column("created", _("In Rapport since")),
    Column("seen", _("Last seen")),
)
USUAL = ("handles", "stage", "persona", "tags", "place", "seen")
GROUPED = ("persona", "segment")
"""Columns that show a group the customer belongs to."""


def available() -> list[Column]:
    """Every column there is, the workspace's own fields last; one statement."""
    own = [Column(f"{OWN}{field.key}", field.label, field) for field in custom_fields.fields()]
    return [*FIXED, *own]


def chosen(request: HttpRequest, columns: list[Column]) -> list[Column]:
    """The columns that the address asks for, else those of the last time, else the usual ones."""
    asked = [part for text in request.GET.getlist(PARAM) for part in text.split(",") if part]
    if PARAM in request.GET and request.session.get(REMEMBERED) != asked:
        request.session[REMEMBERED] = asked
    names = asked if PARAM in request.GET else request.session.get(REMEMBERED, USUAL)
    return [column for column in columns if column.name in (names or USUAL)]


def with_columns(rows: QuerySet[Customer], columns: list[Column]) -> Any:
    """What these columns need beside the row."""
    names = {column.name for column in columns}
    if "owner" in names:
        rows = rows.select_related("owner")
    if "organizations" in names:
        belonging = Affiliation.objects.select_related("organization").order_by("organization__name")
        rows = rows.prefetch_related(Prefetch("affiliations", belonging))
    return rows


def own_value(customer: Customer, column: Column) -> str:
    """A value of the workspace's own field as people read it."""
    return "" if column.own is None else shown(column.own, customer.custom.get(column.own.key))


def language(customer: Customer) -> str:
    """The name of the language they speak."""
    return language_name(customer.language)
