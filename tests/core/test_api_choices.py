"""What the API says to a value that is none of those allowed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import django_filters
import pytest
from django import forms
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from rest_framework import serializers

from config.api_urls import router
from core.api.choices import MOST_TOLD, Filtering, is_fixed
from core.api.errors import detail_of
from core.api.fields import Input
from crm.services import create_customer
from tests.api import Caller
from tests.engagement.events import account

MANY = [f"v{n}" for n in range(MOST_TOLD + 1)]


class Some(Input):
    """A body with choices everywhere a body can have them."""

    plain = serializers.ChoiceField(choices=["a{b}", ("c", "See")], required=False, allow_blank=True)
    each = serializers.ListField(child=serializers.ChoiceField(choices=[7, 30]), required=False)
    several = serializers.MultipleChoiceField(choices=["x", "y"], required=False)
    long = serializers.ChoiceField(choices=MANY, required=False)


class Rows(django_filters.FilterSet):
    """A filter among rows beside one among values."""

    person = django_filters.ModelChoiceFilter(queryset=get_user_model().objects.all())
    found = django_filters.ChoiceFilter(choices=lambda: [("hidden", "Hidden")])
    value = django_filters.ChoiceFilter(choices=[("50%", "Half")])


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"plain": "z"}, "Allowed: a{b}, c."),
        ({"each": [7, 8]}, "Allowed: 7, 30."),
        ({"several": ["q"]}, "Allowed: x, y."),
        ({"long": "z"}, "GET /api/v1/schema/ lists the 21 values that are allowed."),
    ],
)
def test_a_body_is_told_what_it_may_hold(given: Any, told: str) -> None:
    serializer = Some(data=given)
    assert not serializer.is_valid()
    assert told in str(serializer.errors) and "invalid_choice" in repr(serializer.errors)
    many = Some(data=[given, {}], many=True)
    assert not many.is_valid() and told in str(many.errors)


def test_a_service_that_names_what_it_allows_is_answered_like_a_field() -> None:
    said = {"name": "50%", "allowed": ["a", "b"]}
    error = ValidationError("There is no %(name)s.", code="invalid_choice", params=said)
    assert detail_of(ValidationError({"x": error}))["x"] == ["There is no 50%. Allowed: a, b."]
    said |= {"allowed": MANY, "listed_at": "GET /api/v1/there/"}
    found = detail_of(ValidationError({"x": error}))["x"][0]
    assert str(found).endswith("GET /api/v1/there/ lists the 21 values that are allowed.")


@pytest.mark.django_db
def test_rows_are_never_listed(ada: Any, rf: Any) -> None:
    request = rf.get("/", {"person": "999", "found": "x", "value": "x"})
    request.query_params = request.GET
    view = type("View", (), {"filterset_class": Rows})()
    errors = Filtering().get_filterset(request, get_user_model().objects.all(), view).errors
    assert "Allowed: 50%." in str(errors["value"])
    told = f"{errors['person']} {errors['found']}"
    assert "Allowed" not in told and "hidden" not in told and ada.email not in told


def test_no_choice_of_the_api_is_among_rows() -> None:
    """Whoever adds one must think of what a refusal may show."""
    assert len(list(_inputs(Input))) > 30
    for kind in _inputs(Input):
        for name, field in kind().fields.items():
            one = getattr(field, "child", field)
            if isinstance(one, serializers.ChoiceField):
                assert all(isinstance(value, str | int) for value in one.choices), (kind, name)
    for _prefix, endpoint, _name in router.registry:
        filterset = getattr(endpoint, "filterset_class", None)
        for name, one in filterset.base_filters.items() if filterset else ():
            assert not isinstance(one.field, forms.ChoiceField) or is_fixed(one.field), (endpoint, name)


def _inputs(kind: type[Input]) -> Iterator[type[Input]]:
    for one in kind.__subclasses__():
        if not one.__module__.startswith("tests."):
            yield one
            yield from _inputs(one)


@pytest.mark.django_db
def test_calls_are_answered_so_where_bodies_lists_and_pushes_are_refused(ada: Any) -> None:
    api, shop = Caller(ada), account("acme_shop")
    customer = create_customer(values={"name": "Eva"}, by=ada)
    pushed = {"account": shop.pk, "external_id": "1", "direction": "up", "occurred_at": "2026-01-01"}
    habits = {"features": ["religion", "x"]}
    for answer, told in (
        (api.patch(f"customers/{customer.pk}/", {"stage": "fan"}), "Allowed: awareness, consideration,"),
        (api.post("interactions/", pushed), "Allowed: inbound, outbound."),
        (api.get("jobs/", state="lost"), "Allowed: queued, running, done, failed, parked."),
        (api.get("conversations/", overdue="maybe"), "Allowed: true, false."),
        (api.patch("persona-settings/", habits), "GET /api/v1/persona-settings/ lists the "),
    ):
        assert answer.status_code == 400
        found = [one["detail"] for one in answer.json()["errors"] if one["code"] == "invalid_choice"]
        assert len(found) == 1 and told in found[0], answer.content
