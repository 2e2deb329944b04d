"""What somebody allowed: the newest word counts, and a refusal may cover the whole person."""

from __future__ import annotations

from datetime import timedelta

import pytest

from crm.consents import effective_consent
from crm.models import Consent, Customer, Identity
from tests.engagement.events import START

pytestmark = pytest.mark.django_db


def say(identity: Identity, given: bool, minute: int, *, whole_person: bool = False) -> None:
    Consent.objects.create(
        identity=identity, purpose="offers", given=given, whole_person=whole_person, source="test",
        at=START + timedelta(minutes=minute), customer=identity.customer, home_customer=identity.customer,
    )  # fmt: skip


def test_the_newest_word_counts_and_a_refusal_of_the_person_covers_all_identities() -> None:
    eva = Customer.objects.create(name="Eva")
    mail, phone = (
        Identity.objects.create(network=network, external_id=key, customer=eva, home_customer=eva)
        for network, key in (("email", "eva@example.org"), ("phone", "+3225550100"))
    )
    assert effective_consent(mail, "offers") is None
    say(mail, True, 1)
    assert effective_consent(mail, "offers") is True
    assert effective_consent(phone, "offers") is None
    say(phone, False, 2, whole_person=True)
    assert effective_consent(mail, "offers") is False
    assert effective_consent(phone, "offers") is False
    say(mail, True, 3)
    assert effective_consent(mail, "offers") is True
    assert effective_consent(phone, "offers") is False
