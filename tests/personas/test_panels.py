"""What personas show on pages of customers: reasons for a segment, the mix of an organization's people."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from crm.affiliations import affiliate
from crm.models import Customer
from crm.services import create_customer
from personas.models import Persona, PersonaMembership, Segment, SegmentMembership
from personas.segments import create_segment

pytestmark = pytest.mark.django_db


@pytest.fixture
def eva(ada: Any) -> Customer:
    return create_customer(values={"name": "Eva Lind", "city": "Lund"}, by=ada)


def test_a_segment_says_why_in_place(
    eva: Customer, ada: Any, vic: Any, signed_in: Any, anonymous: Any
) -> None:
    rule = {"all": [{"field": "customer.city", "op": "is", "value": "Lund"}]}
    segment = create_segment(name="Lund", rule=rule, by=ada)
    SegmentMembership.objects.create(segment=segment, customer=eva, version=1, since=timezone.now())
    panel = signed_in(vic).get(reverse("personas:customer-panel", args=[eva.pk])).content.decode()
    url = reverse("personas:segment-why", kwargs={"customer_pk": eva.pk, "pk": segment.pk})
    assert f'hx-get="{url}"' in panel
    told = signed_in(vic).get(url).content.decode()
    assert "Lund" in told and "holds" in told
    assert anonymous.get(url).status_code == 302
    Segment.objects.filter(pk=segment.pk).update(rule={"field": "gone.field", "op": "is", "value": 1})
    assert "cannot be read" in signed_in(vic).get(url).content.decode()


def test_an_organization_shows_the_mix_of_its_peoples_personas(
    eva: Customer, ada: Any, vic: Any, signed_in: Any, anonymous: Any
) -> None:
    firm = create_customer(values={"name": "Noorderzon", "kind": "organization"}, by=ada)
    url = reverse("personas:organization-mix", args=[firm.pk])
    assert signed_in(vic).get(url).content.decode().strip() == ""
    people = [eva, *(create_customer(values={"name": f"P {number}"}, by=ada) for number in range(3))]
    for person in people:
        affiliate(person=person, organization=firm, by=ada)
    assert "None of them has a persona yet" in signed_in(vic).get(url).content.decode()
    for person, name in zip(people, ("Loyal", "Loyal", "Curious"), strict=False):
        persona, _made = Persona.objects.get_or_create(name=name)
        PersonaMembership.objects.create(
            customer=person, persona=persona, confidence=0.5, since=timezone.now(), reasons=[]
        )
    page = signed_in(vic).get(url).content.decode()
    assert "3 of 4 people have a persona" in page
    assert page.index("Loyal") < page.index("Curious") < page.index("No persona yet")
    assert "2 of 4" in page and "1 of 4" in page
    assert anonymous.get(url).status_code == 302
    assert f'hx-get="{url}"' in signed_in(vic).get(firm.get_absolute_url()).content.decode()
