"""Every column that names a person is known to merging, exporting and erasing: found by introspection."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.apps import apps
from django.db import models

from core import privacy
from core.privacy import Holding, Subject
from crm.models import Customer, Identity
from crm.privacy.sections import rows_of


def own_models() -> list[type[models.Model]]:
    return [model for model in apps.get_models() if model._meta.app_label in privacy.OWN_APPS]


@pytest.fixture
def stray() -> Iterator[type[models.Model]]:
    """A table somebody added and told nobody about."""

    class Stray(models.Model):
        customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="+")
        identity = models.ForeignKey(Identity, on_delete=models.CASCADE, related_name="+")
        home_customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="+")

        class Meta:
            app_label = "crm"

        def __str__(self) -> str:
            return "stray"

    yield Stray
    del apps.all_models["crm"]["stray"]
    apps.clear_cache()


def test_every_column_that_names_a_person_is_registered() -> None:
    assert privacy.unregistered(Customer, Identity, own_models()) == []


def test_a_new_foreign_key_that_nobody_registered_is_found(stray: type[models.Model]) -> None:
    assert stray in own_models()
    assert set(privacy.unregistered(Customer, Identity, own_models())) == {
        "crm.Stray.customer",
        "crm.Stray.identity",
        "crm.Stray.home_customer",
    }


def test_one_registered_column_does_not_cover_the_others(stray: type[models.Model]) -> None:
    holding = Holding(stray, "customer", "home_customer")
    privacy.register(holding)
    try:
        assert privacy.unregistered(Customer, Identity, [stray]) == ["crm.Stray.identity"]
        privacy.register_identity(stray, "identity")
        assert privacy.unregistered(Customer, Identity, [stray]) == []
    finally:
        del privacy._holdings["crm.Stray", "customer"]
        privacy._identity_holdings.pop(("crm.Stray", "identity"), None)


@pytest.mark.parametrize(
    "holding", privacy.holdings(), ids=lambda one: f"{one.model.__name__}.{one.customer_field}"
)
@pytest.mark.django_db
def test_each_holding_can_be_merged_exported_and_erased(holding: Holding) -> None:
    assert holding.on_merge in ("follow", "recompute", "stay")
    assert holding.on_erase in ("delete", "clear")
    column = holding.model._meta.get_field(holding.customer_field)
    if holding.on_merge == "follow" and holding.model is not Customer:
        assert holding.model._meta.get_field(holding.home_field)
    if holding.on_erase == "clear":
        assert column.null
    assert list(rows_of(holding, Subject((0,), ()))) == []


def test_every_column_of_text_is_searched_or_spared() -> None:
    """What is neither searched nor spared is too short to name anybody, a choice, or no text."""
    searched = privacy.text_columns()
    for model in own_models():
        names = {column.name for column in searched.get(model, [])}
        for column in model._meta.concrete_fields:
            if column.name in names or column.choices or column.remote_field:
                continue
            label = model._meta.label
            spared = (label, "*") in privacy._spared or (label, column.name) in privacy._spared
            is_text = isinstance(column, models.TextField | models.JSONField)
            is_long = isinstance(column, models.CharField) and (column.max_length or 999) >= 20
            assert spared or not (is_text or is_long), f"{label}.{column.name}"


def test_each_spared_column_is_there_and_says_why() -> None:
    for (label, column), why in privacy._spared.items():
        assert len(why) > 10
        assert column == "*" or apps.get_model(label)._meta.get_field(column)
