"""What somebody allowed: the newest word counts, a refusal may cover the person, and each has its proof."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry
from core.models import Event
from crm.consents import ConsentIn, effective_consent, record_by_staff, record_consents, states_of
from crm.merging import merge_customers, undo_merge
from crm.models import Consent, Customer, CustomerTouch, Identity
from crm.purposes import PURPOSES
from tests.api import Caller, assert_pinned, errors
from tests.engagement.events import START

pytestmark = pytest.mark.django_db


def person(name: str = "Eva", **handles: str) -> Customer:
    customer = Customer.objects.create(name=name)
    for network, key in handles.items():
        Identity.objects.create(
            network=network, external_id=key, handle=key, customer=customer, home_customer=customer
        )
    return customer


def of(customer: Customer, network: str) -> Identity:
    return customer.identities.get(network=network)


@pytest.fixture
def eva(db: None) -> Customer:
    return person(email="eva@example.org", phone="+3225550100")


def say(identity: Identity, given: bool, minute: int, **more: Any) -> None:
    at = START + timedelta(minutes=minute)
    record_consents([ConsentIn(identity.pk, "marketing", given, at=at, **more)], source="test")


# What is in effect


def test_the_newest_word_counts_and_a_refusal_of_the_person_covers_all_identities(eva: Customer) -> None:
    mail, phone = of(eva, "email"), of(eva, "phone")
    assert effective_consent(mail, "marketing") is None
    say(mail, True, 1)
    assert effective_consent(mail, "marketing") is True
    assert effective_consent(phone, "marketing") is None
    say(phone, False, 2, whole_person=True)
    assert effective_consent(mail, "marketing") is False
    assert effective_consent(phone, "marketing") is False
    say(mail, True, 3)
    assert effective_consent(mail, "marketing") is True
    assert effective_consent(phone, "marketing") is False


def test_the_matrix_says_what_the_single_question_says(eva: Customer) -> None:
    mail, phone = of(eva, "email"), of(eva, "phone")
    for minute, (identity, given, whole) in enumerate(
        [(mail, True, False), (phone, False, True), (phone, True, False), (mail, False, False)]
    ):
        say(identity, given, minute, whole_person=whole)
        states = states_of(eva)
        for one in (mail, phone):
            for purpose in PURPOSES:
                assert states[one.pk][purpose].given == effective_consent(one, purpose)


def test_what_needs_no_yes_is_allowed_until_somebody_refuses(eva: Customer) -> None:
    mail = of(eva, "email")
    assert states_of(eva)[mail.pk]["service"].is_allowed
    assert not states_of(eva)[mail.pk]["marketing"].is_allowed
    record_consents([ConsentIn(mail.pk, "service", False)], source="test")
    assert not states_of(eva)[mail.pk]["service"].is_allowed


def test_consents_of_both_sides_count_after_a_merge_and_part_with_its_undo(eva: Customer, amy: Any) -> None:
    other = person("Eva L", instagram="eva.l")
    say(of(eva, "email"), True, 1)
    say(of(other, "instagram"), False, 2, whole_person=True)
    record = merge_customers(keep=eva, drop=other, by=amy)
    assert effective_consent(of(eva, "email"), "marketing") is False
    undo_merge(record=record, by=amy)
    assert effective_consent(of(eva, "email"), "marketing") is True


# Writing down


def test_a_word_is_written_with_proof_and_told_to_traits_trail_and_feed(eva: Customer, amy: Any) -> None:
    mail = of(eva, "email")
    said = ConsentIn(mail.pk, "marketing", True, proof="Said so at the spring fair, stand 4.")
    (consent,) = record_by_staff(customer=eva, rows=[said], by=amy)
    assert (consent.source, consent.proof, consent.customer, consent.home_customer) == (
        "staff", "Said so at the spring fair, stand 4.", eva, eva,
    )  # fmt: skip
    assert CustomerTouch.objects.filter(customer=eva).exists()
    entry = AuditEntry.objects.get(verb="consent.recorded")
    assert entry.actor == amy and "fair" not in str(entry.detail) and entry.object_name == ""
    assert Event.objects.get(type="consent.given").ids["identity"] == mail.pk


def test_staff_need_a_proof_and_write_about_their_customer_alone(eva: Customer, amy: Any, vic: Any) -> None:
    mail, stranger = of(eva, "email"), of(person(email="max@example.org"), "email")
    with pytest.raises(ValidationError, match="what was said"):
        record_by_staff(customer=eva, rows=[ConsentIn(mail.pk, "marketing", True, proof=" ")], by=amy)
    with pytest.raises(ValidationError, match="no such identity"):
        record_by_staff(customer=eva, rows=[ConsentIn(stranger.pk, "marketing", True, proof="x")], by=amy)
    with pytest.raises(PermissionDenied):
        record_by_staff(customer=eva, rows=[ConsentIn(mail.pk, "marketing", True, proof="x")], by=vic)
    assert not Consent.objects.exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"purpose": "telepathy"},
        {"whole_person": True},
        {"at": timezone.now() + timedelta(days=1)},
        {"identity": 2**40},
    ],
)
def test_what_cannot_be_meant_is_refused_and_nothing_is_written(wrong: dict[str, Any], eva: Customer) -> None:
    mail = of(eva, "email")
    good = ConsentIn(mail.pk, "marketing", True)
    bad = {"identity": mail.pk, "purpose": "marketing", "given": True, **wrong}
    with pytest.raises(ValidationError):
        record_consents([good, ConsentIn(**bad)], source="test")
    assert not Consent.objects.exists()


def test_a_file_read_twice_says_nothing_twice(eva: Customer) -> None:
    row = ConsentIn(of(eva, "email").pk, "marketing", True, at=START)
    assert len(record_consents([row, row], source="file")) == 1
    assert record_consents([row], source="file") == []
    assert len(record_consents([row], source="another file")) == 1


def test_many_consents_take_as_many_statements_as_one() -> None:
    people = [person(f"P{n}", email=f"p{n}@example.org") for n in range(40)]

    def statements(some: list[Customer]) -> int:
        rows = [ConsentIn(of(one, "email").pk, "marketing", True) for one in some]
        with CaptureQueriesContext(
            connection,
        ) as queries:
            record_consents(rows, source="file")
        return len(queries)

    two = statements(people[:2])
    assert statements(people[2:]) == two


def test_the_newest_word_about_a_picture_of_them_decides_whether_they_are_profiled(eva: Customer) -> None:
    mail, phone = of(eva, "email"), of(eva, "phone")
    record_consents([ConsentIn(mail.pk, "profiling", False, whole_person=True)], source="customer")
    eva.refresh_from_db()
    assert eva.profiling_refused and eva.origins["profiling_refused"]["source"] == "customer"
    record_consents([ConsentIn(phone.pk, "profiling", True)], source="customer")
    eva.refresh_from_db()
    assert not eva.profiling_refused


# The page


def form(identity: Identity, **more: Any) -> dict[str, Any]:
    return {"identity": identity.pk, "purpose": "marketing", "given": "1", "proof": "At the fair.", **more}


def test_those_who_may_edit_record_on_the_page(eva, amy, vic, anonymous, signed_in) -> None:
    url, mail = reverse("crm:consent-add", args=[eva.pk]), of(eva, "email")
    assert anonymous.post(url, form(mail)).status_code == 302
    assert signed_in(vic).post(url, form(mail)).status_code == 403
    assert not Consent.objects.exists()
    assert signed_in(amy).post(url, form(mail)).status_code == 302
    assert Consent.objects.filter(identity=mail, given=True, source="staff").count() == 1


def test_a_form_that_says_too_little_writes_nothing(eva, amy, signed_in) -> None:
    url, mail = reverse("crm:consent-add", args=[eva.pk]), of(eva, "email")
    stranger = of(person(email="max@example.org"), "email")
    for wrong in ({"proof": ""}, {"purpose": "x"}, {"given": "2"}, {"identity": stranger.pk}):
        signed_in(amy).post(url, form(mail) | wrong)
    assert not Consent.objects.exists()


def test_the_page_shows_the_matrix_its_proof_and_forms_only_to_those_who_may(
    eva, amy, vic, signed_in
) -> None:
    say(of(eva, "phone"), False, 1, whole_person=True, proof="Rang us <b>twice</b>.")
    url = reverse("crm:customer", args=[eva.pk])
    seen = signed_in(amy).get(url).content.decode()
    assert "News and offers" in seen and "refused for the whole person" in seen
    assert "Rang us &lt;b&gt;twice&lt;/b&gt;." in seen
    assert reverse("crm:consent-add", args=[eva.pk]) in seen
    assert reverse("crm:consent-add", args=[eva.pk]) not in signed_in(vic).get(url).content.decode()


# The API


def test_consents_over_the_api(ada: Any, vic: Any, eva: Customer) -> None:
    caller, mail = Caller(ada), of(eva, "email")
    path = f"customers/{eva.pk}/consents/"
    body = {"identity": mail.pk, "purpose": "marketing", "given": True, "proof": "Box ticked at checkout."}
    made = caller.post(path, body)
    assert made.status_code == 201, made.content
    assert made.json()["purpose"] == "marketing" and made.json()["source"] == "api"
    assert [one["id"] for one in caller.get(path).json()["results"]] == [made.json()["id"]]
    found = caller.get(f"{path}effective/").json()
    state = next(
        one for one in found["states"] if one["purpose"] == "marketing" and one["identity"] == mail.pk
    )
    assert state["state"] == "given" and state["allowed"] is True
    assert Caller(vic, maker=ada).get(path).status_code == 200
    assert Caller(vic, maker=ada).post(path, body).status_code == 403
    assert errors(caller.post(path, body | {"purpose": "x"})) == [("invalid_choice", "purpose")]
    assert errors(caller.post(path, body | {"proof": ""}))[0][1] == "proof"


def test_the_list_takes_a_fixed_number_of_statements(ada: Any, eva: Customer) -> None:
    say(of(eva, "email"), True, 1)
    assert_pinned("api:customer-consents", Caller(ada), f"customers/{eva.pk}/consents/")


def test_a_consent_that_stood_there_already_is_answered_with_it(ada: Any, eva: Customer) -> None:
    caller, path = Caller(ada), f"customers/{eva.pk}/consents/"
    body = {
        "identity": of(eva, "email").pk, "purpose": "marketing", "given": False, "proof": "Letter.",
        "at": "2026-01-02T03:04:05Z", "whole_person": True,
    }  # fmt: skip
    first = caller.post(path, body)
    again = caller.post(path, body)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
