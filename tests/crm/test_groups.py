"""Lists of customers, conversations, interactions and orders narrowed to a persona or a segment."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.urls import reverse
from django.utils import timezone

from crm import groups
from crm.filters import CustomerFilter, OrderFilter
from crm.models import Customer, Order
from personas.models import Persona, PersonaMembership, Segment, SegmentMembership

pytestmark = pytest.mark.django_db


@pytest.fixture
def people():
    """Anna and Ben are brewers, Cleo is a talker, Dora is nothing; Anna and Cleo are lapsed."""
    brewers, talkers = (Persona.objects.create(name=name, tone=2) for name in ("Brewers", "Talkers"))
    lapsed = Segment.objects.create(name="Lapsed", rule={"all": []}, built_version=1)
    found = {name: Customer.objects.create(name=name) for name in ("Anna", "Ben", "Cleo", "Dora")}
    for name, persona in (("Anna", brewers), ("Ben", brewers), ("Cleo", talkers)):
        PersonaMembership.objects.create(
            customer=found[name], persona=persona, confidence=0.9, since=timezone.now()
        )
    for name in ("Anna", "Cleo"):
        SegmentMembership.objects.create(
            segment=lapsed, customer=found[name], version=1, since=timezone.now()
        )
    return {"brewers": brewers, "talkers": talkers, "lapsed": lapsed, **found}


def names(given, rows=None):
    found = CustomerFilter(given, queryset=Customer.objects.all() if rows is None else rows)
    assert found.is_valid(), found.errors
    return sorted(found.qs.values_list("name", flat=True))


def test_customers_by_persona_by_segment_and_by_both(people):
    assert names({"persona": str(people["brewers"].pk)}) == ["Anna", "Ben"]
    assert names({"segment": str(people["lapsed"].pk)}) == ["Anna", "Cleo"]
    both = {"persona": str(people["brewers"].pk), "segment": str(people["lapsed"].pk)}
    assert names(both) == ["Anna"]


def test_none_means_of_no_persona(people):
    assert names({"persona": "none"}) == ["Dora"]
    assert names({"segment": "none"}) == ["Ben", "Dora"]


@pytest.mark.parametrize("text", ["x", "0", "-3", "1.5", "9" * 19, "١"])
def test_what_is_no_group_is_refused(people, text):
    assert not CustomerFilter({"persona": text}, queryset=Customer.objects.all()).is_valid()


def test_orders_of_a_persona(people):
    for name in ("Anna", "Cleo"):
        one = people[name]
        Order.objects.create(
            customer=one, home_customer=one, source="shop", external_id=name, total=5, currency="EUR",
            placed_at=datetime(2026, 3, 1, tzinfo=UTC),
        )  # fmt: skip
    found = OrderFilter({"persona": str(people["talkers"].pk)}, queryset=Order.objects.all()).qs
    assert [order.external_id for order in found] == ["Cleo"]


def test_the_list_shows_the_persona_beside_each(people, amy, client):
    client.force_login(amy)
    page = client.get(reverse("crm:customer-list")).content.decode()
    assert page.count('class="r-pill hue r-badge"') == 3
    chosen = client.get(reverse("crm:customer-list"), {"persona": people["talkers"].pk}).content.decode()
    assert "Cleo" in chosen
    assert "Ben" not in chosen


def test_the_list_counts_each_persona_under_its_other_filters(people, amy, client):
    client.force_login(amy)
    url = reverse("crm:customer-groups")
    page = client.get(url).content.decode()
    assert "Brewers</span><span" in page
    assert [part.split("<")[0] for part in page.split('r-num r-muted">')[1:]] == ["2", "1", "1"]
    narrowed = client.get(url, {"segment": people["lapsed"].pk}).content.decode()
    assert [part.split("<")[0] for part in narrowed.split('r-num r-muted">')[1:]] == ["1", "1"]


def test_nobody_signed_out_sees_the_counts(people, client):
    assert client.get(reverse("crm:customer-groups")).status_code == 302


def test_a_kind_that_no_app_registered_holds_nobody(people):
    everybody = Customer.objects.all()
    assert not groups.narrowed(everybody, "cohort", 1).exists()
    assert groups.narrowed(everybody, "cohort", "none").count() == 4


def test_a_narrowed_list_asks_how_old_its_members_are(people, amy, client):
    client.force_login(amy)
    segment = people["lapsed"].pk
    page = client.get(reverse("crm:customer-list"), {"segment": segment, "persona": "none"}).content.decode()
    assert f'hx-get="{reverse("personas:segment-stale", args=[segment])}"' in page
    assert f'hx-get="{reverse("personas:stale")}"' in page
    assert "stale" not in client.get(reverse("crm:customer-list")).content.decode()
