"""Every column that names a customer says what a merge does with it, and the merge does it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, models

from core import privacy
from core.privacy import Holding
from crm.merging import merge_customers, undo_merge
from crm.models import Customer, CustomerKind, Identity
from tests.crm.merging_world import belongs

SAYS = {"follow", "recompute", "stay"}
POINTS_UP = {("crm.Customer", "merged_into"), ("crm.Customer", "home_referred_by")}
"""What makes the tree itself, and a home."""


def columns() -> set[tuple[str, str]]:
    """Every column of every table that names a customer."""
    return {
        (model._meta.label, field.name)
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if isinstance(field, models.ForeignKey) and field.related_model is Customer
    }


def unsaid() -> set[tuple[str, str]]:
    """Columns of which nobody said what a merge does with them."""
    said = {(one.model._meta.label, one.customer_field) for one in privacy.holdings() if one.on_merge in SAYS}
    homes = {(one.model._meta.label, one.home_field) for one in privacy.holdings() if one.home_field}
    return columns() - said - homes - POINTS_UP


@pytest.fixture
def forgotten() -> Iterator[type[models.Model]]:
    """A table of a new feature, whose author forgot to say anything."""
    label = "forgottencard"

    class ForgottenCard(models.Model):
        customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="+")

        class Meta:
            app_label = "crm"

        def __str__(self) -> str:
            return "a card"

    yield ForgottenCard
    del apps.all_models["crm"][label]
    apps.clear_cache()


def test_every_column_that_names_a_customer_says_what_a_merge_does() -> None:
    assert unsaid() == set()


def test_a_new_column_that_says_nothing_is_found(forgotten: Any) -> None:
    assert unsaid() == {("crm.ForgottenCard", "customer")}


def test_what_follows_has_a_home_by_which_it_finds_back() -> None:
    without = [
        one.model._meta.label for one in privacy.holdings() if one.on_merge == "follow" and not one.home_field
    ]
    assert without == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    "holding",
    [one for one in privacy.holdings() if one.on_merge == "follow"],
    ids=lambda one: f"{one.model._meta.label}.{one.customer_field}",
)
def test_a_row_follows_its_customer_into_a_merge_and_out_of_it(holding: Holding) -> None:
    """By column, without knowing the table: a row is put in, moved and brought back."""
    kind = CustomerKind.ORGANIZATION if holding.customer_field == "organization" else CustomerKind.PERSON
    keep, drop, other = (Customer.objects.create(name=name, kind=kind) for name in ("Keep", "Drop", "Other"))
    if holding.model is Identity:
        pk = Identity.objects.create(network="x", external_id="x", customer=drop, home_customer=drop).pk
    elif holding.model is Customer:
        other.home_referred_by = other.referred_by = drop
        other.save()
        pk = other.pk
    elif holding.model._meta.label == "crm.Affiliation":
        pk = (belongs(other, drop) if kind == CustomerKind.ORGANIZATION else belongs(drop, other)).pk
    else:
        pk = _insert(holding, drop)
    record = merge_customers(keep=keep, drop=drop)
    assert _owner(holding, pk) == keep.pk
    undo_merge(record=record)
    assert _owner(holding, pk) == drop.pk
    with connection.cursor() as cursor:
        # What the row refers to was never there.
        cursor.execute(f"DELETE FROM {holding.model._meta.db_table} WHERE id = %s", [pk])


def _owner(holding: Holding, pk: int) -> int:
    found: int = holding.model._default_manager.values_list(f"{holding.customer_field}_id", flat=True).get(
        pk=pk
    )
    return found


def _insert(holding: Holding, owner: Customer) -> int:
    """A row of any table: the customer in both columns, anything else as plain as it may be."""
    values: dict[str, Any] = {}
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        for field in holding.model._meta.concrete_fields:
            if field.primary_key or field.generated:
                continue
            values[field.column] = _plain(field, holding, owner)
        values = {name: value for name, value in values.items() if value is not None}
        names = ", ".join(f'"{name}"' for name in values)
        marks = ", ".join("%s" for _name in values)
        cursor.execute(
            f"INSERT INTO {holding.model._meta.db_table} ({names}) VALUES ({marks}) RETURNING id",
            list(values.values()),
        )
        pk: int = cursor.fetchone()[0]
        cursor.execute("SET LOCAL session_replication_role = origin")
    return pk


def _plain(field: models.Field[Any, Any], holding: Holding, owner: Customer) -> Any:
    """A value that the column takes; None for those that need none."""
    if field.name in (holding.customer_field, holding.home_field):
        return owner.pk
    if field.name == "identity":
        return Identity.objects.create(network="x", external_id="x", customer=owner, home_customer=owner).pk
    if field.null:
        return None
    if field.is_relation:
        return 1
    if field.has_default():
        value = field.get_default()
        return field.get_db_prep_save(value, connection)
    if field.choices:
        return next(iter(field.choices))[0]
    plain = {
        "DateTimeField": "2026-03-02T09:00:00Z", "DateField": "2026-03-02", "DecimalField": 1,
        "FloatField": 0.5,
        "BooleanField": False, "UUIDField": "00000000-0000-7000-8000-000000000000", "JSONField": "{}",
    }  # fmt: skip
    kind = field.get_internal_type()
    if kind in plain:
        return plain[kind]
    return 1 if "Integer" in kind else "x"
