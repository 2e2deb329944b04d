"""Age, work and interests by network: the sums of the rebuild, and the page that shows them."""

from __future__ import annotations

from collections import defaultdict
from random import Random
from types import SimpleNamespace

import pytest
from django.urls import reverse
from django.utils import timezone

from crm.models import Customer, CustomerKind, Identity
from personas.models import PeopleCount, PeopleFact, Persona, PersonaMembership, Traits
from personas.people import LEAST, sum_people, table

pytestmark = pytest.mark.django_db
NETWORKS = ("email", "instagram", "x")
BANDS = ("18-24", "25-34", None)
JOBS = ("Nursing", "nursing", "Teaching", "Falconry", "")
INTERESTS = ("Climbing", "climbing ", "chess", "curling")


def run(changed=True):
    return SimpleNamespace(anybody_changed=changed)


@pytest.fixture
def crowd():
    """Random people with identities, traits and personas; some refused, some are organizations."""
    chance, made = Random(7), []
    personas = [Persona.objects.create(name=name) for name in ("Brewers", "Talkers")]
    for number in range(120):
        one = Customer.objects.create(
            kind=CustomerKind.ORGANIZATION if number % 29 == 0 else CustomerKind.PERSON,
            profession="Falconry" if number in (5, 6) else chance.choice((*JOBS[:3], "")),
            interests=chance.sample(INTERESTS[:3], chance.randint(0, 2))
            + (["curling"] if number == 9 else []),
            profiling_refused=number % 17 == 0,
        )
        Traits.objects.create(customer=one, computed_at=timezone.now(), age_band=chance.choice(BANDS))
        for network in chance.sample(NETWORKS, chance.randint(0, 3)):
            for copy in range(chance.randint(1, 2)):
                Identity.objects.create(
                    network=network, external_id=f"{number}-{copy}", customer=one, home_customer=one
                )
        if number % 3:
            persona = personas[number % 2]
            PersonaMembership.objects.create(
                customer=one, persona=persona, confidence=0.8, since=timezone.now()
            )
        made.append(one)
    return made


def recounted():
    """The same sums in plain Python: {(fact, value, network, persona): customers}."""
    people = defaultdict(set)
    for one in Customer.objects.filter(merged_into=None, kind="person", profiling_refused=False):
        membership = PersonaMembership.objects.filter(customer=one).first()
        persona = membership.persona_id if membership else 0
        networks = {"", *Identity.objects.filter(customer=one).values_list("network", flat=True)}
        facts = {("interest", " ".join(word.strip().lower().title().split())) for word in one.interests}
        band = Traits.objects.get(customer=one).age_band
        facts |= {("age", band)} if band else set()
        facts |= {("profession", one.profession.title())} if one.profession else set()
        for fact, value in facts:
            for network in networks:
                people[fact, value, network, persona].add(one.pk)
                people[fact, "", network, persona].add(one.pk)
    everybody = defaultdict(set)
    for (fact, value, network, _persona), ids in people.items():
        if network == "":
            everybody[fact, value] |= ids
    return {key: len(ids) for key, ids in people.items() if key[1] == "" or len(everybody[key[:2]]) >= LEAST}


def kept():
    rows = PeopleCount.objects.values_list("fact", "value", "network", "persona_id", "customers")
    return {row[:4]: row[4] for row in rows}


def test_the_sums_are_those_of_a_recount(crowd):
    sum_people(run())
    assert kept() == recounted()
    assert ("profession", "Falconry", "", 0) not in kept()


def test_summed_twice_is_the_same(crowd):
    sum_people(run())
    before = kept()
    sum_people(run())
    assert kept() == before


def test_nothing_is_summed_when_nobody_changed(crowd):
    sum_people(run())
    Customer.objects.update(profession="Nursing")
    assert sum_people(run(changed=False)) == {"written": 0}
    assert kept() != recounted()


def test_shares_stand_against_those_known_on_that_network(crowd):
    sum_people(run())
    found = table(PeopleFact.AGE)
    column = [network.name for network in found.networks].index("email")
    young = next(line for line in found.lines if line.value == "18-24")
    counts = kept()
    customers = sum(n for key, n in counts.items() if key[:3] == ("age", "18-24", "email"))
    base = sum(n for key, n in counts.items() if key[:3] == ("age", "", "email"))
    assert (young.cells[column].customers, young.cells[column].base) == (customers, base)
    assert young.cells[column].share == pytest.approx(customers / base)
    assert young.cells[column].times == pytest.approx((customers / base) / young.share)


def test_one_persona_alone(crowd):
    sum_people(run())
    persona = Persona.objects.get(name="Brewers")
    found = table(PeopleFact.PROFESSION, persona=persona.pk)
    assert found.known == kept()["profession", "", "", persona.pk]


@pytest.mark.parametrize("fact", PeopleFact.values)
def test_everybody_on_staff_reads_the_page(fact, crowd, vic, client):
    sum_people(run())
    client.force_login(vic)
    page = client.get(reverse("personas:people"), {"fact": fact}).content.decode()
    assert "<tfoot>" in page
    told = b"".join(client.get(reverse("personas:people-export"), {"fact": fact}).streaming_content).decode()
    assert told.splitlines()[1].startswith("all known,")


def test_before_the_first_rebuild_the_page_says_what_to_do(vic, client):
    client.force_login(vic)
    assert "Nothing is known yet" in client.get(reverse("personas:people")).content.decode()


@pytest.mark.parametrize(
    ("query", "code"), [("fact=nonsense", 400), ("persona=x", 400), ("persona=2000000000", 404)]
)
def test_what_cannot_be_meant_is_refused(query, code, vic, client):
    client.force_login(vic)
    assert client.get(f"{reverse('personas:people')}?{query}").status_code == code


def test_strangers_sign_in_first(client):
    assert client.get(reverse("personas:people")).status_code == 302
