"""Searching customers: the same rows however many there are."""

from __future__ import annotations

from typing import Any

import pytest

from crm import querysets
from crm.models import Customer, Identity

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def people() -> None:
    for number in range(6):
        one = Customer.objects.create(name=f"Eva {number}" if number % 2 else f"Bo {number}")
        Identity.objects.create(
            network="x", external_id=str(number), handle=f"Eva{number}_x", customer=one, home_customer=one
        )


@pytest.mark.parametrize("most", [0, 3, 5000])
def test_few_and_many_hits_are_found_alike(monkeypatch: Any, most: int) -> None:
    monkeypatch.setattr(querysets, "PROBE", most)

    def found(text: str) -> list[str]:
        return sorted(Customer.objects.matching(text).values_list("name", flat=True))

    assert found(" eva ") == ["Bo 0", "Bo 2", "Bo 4", "Eva 1", "Eva 3", "Eva 5"]
    assert found("eva 3") == ["Eva 3"]
    assert found("@EVA4_") == ["Bo 4"]
    assert found("100%") == found("nobody") == []
    assert len(found("")) == 6


def test_a_handle_leads_to_the_customer_who_has_it_today() -> None:
    first, second = Customer.objects.order_by("pk")[:2]
    Identity.objects.filter(customer=first).update(customer=second)
    Customer.objects.filter(pk=first.pk).update(merged_into=second)
    assert list(Customer.objects.roots().matching("eva0_x")) == [second]
