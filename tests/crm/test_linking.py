"""Handles that a signed token names."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.utils import timezone

from crm.linking import BadToken, Confirmed, link_confirmed, read_token
from crm.merging import undo_merge
from crm.models import Customer, Identity, MergeRecord, MergeWhy, Suspect, SuspectState
from crm.services import Handle, create_customer

SECRET = "a secret of at least thirty-two letters"
KEYS = [Confirmed("email", "Eva@Example.org", name="Eva"), Confirmed("id", "7", issuer="shop")]


def token(secret: str = SECRET, **changes: Any) -> str:
    claims = {"sub": "7", "iss": "shop", "exp": timezone.now() + timedelta(hours=1), **changes}
    return jwt.encode({k: v for k, v in claims.items() if v is not None}, secret, algorithm="HS256")


def test_a_token_is_read_with_what_it_says() -> None:
    claims = read_token(
        token(email="eva@example.org", phone="+4670 123 45 67", name="Eva"), SECRET, issuer="shop"
    )
    assert (claims.subject, claims.issuer, claims.email, claims.name) == (
        "7",
        "shop",
        "eva@example.org",
        "Eva",
    )
    assert [(one.network, one.issuer) for one in claims.identities()] == [
        ("id", "shop"), ("email", ""), ("phone", ""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"exp": None}, "exp"),
        ({"sub": None}, "sub"),
        ({"iss": None}, "iss"),
        ({"sub": ""}, "sub must have"),
        ({"iss": "other"}, "is not 'shop'"),
        ({"exp": timezone.now() - timedelta(hours=1)}, "expired"),
        ({"exp": timezone.now() + timedelta(days=30)}, "longer than 24 hours"),
        ({"exp": 1_800_000_000_000}, "seconds since 1970"),
        ({"exp": 10**30}, "seconds since 1970"),
        ({"email": 5}, "email must be text"),
        ({"secret": "another secret of thirty-two letters!"}, "not signed"),
    ],
)
def test_a_token_that_proves_nothing_is_refused_with_the_reason(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(BadToken, match=words):
        read_token(token(**changes), SECRET, issuer="shop")


def test_an_unsigned_or_broken_token_is_refused() -> None:
    unsigned = jwt.encode({"sub": "7", "iss": "shop"}, "", algorithm="none")
    for text in (unsigned, "x.y.z", ""):
        with pytest.raises(BadToken):
            read_token(text, SECRET)
    with pytest.raises(BadToken, match="no secret"):
        read_token(token(), "")


@pytest.mark.django_db
def test_handles_nobody_has_become_one_customer() -> None:
    linked = link_confirmed(KEYS, proof="shop: 7", source="webchat")
    found = Identity.objects.order_by("network")
    assert [(one.network, one.external_id, one.verified) for one in found] == [
        ("email", "eva@example.org", True), ("id", "7", True),
    ]  # fmt: skip
    assert {one.customer for one in found} == {linked.customer}
    assert linked.customer.name == "Eva"
    again = link_confirmed(KEYS, proof="shop: 7", source="webchat")
    assert (again.customer, again.merges, Customer.objects.count()) == (linked.customer, [], 1)


@pytest.mark.django_db
def test_who_has_them_is_merged_into_the_one_known_longest(amy: Any) -> None:
    newer = create_customer(values={"name": "E."}, identities=[Handle("email", "eva@example.org")], by=amy)
    older = create_customer(values={"name": "Eva"}, identities=[Handle("id", "7", issuer="shop")], by=amy)
    Customer.objects.filter(pk=older.pk).update(created_at=timezone.now() - timedelta(days=9))
    linked = link_confirmed(KEYS, proof="shop: 7", source="webchat")
    assert linked.customer == older
    record = MergeRecord.objects.get()
    assert (record.drop, record.by, record.why, record.proof) == (
        newer, None, MergeWhy.SIGNED_TOKEN, "shop: 7",
    )  # fmt: skip
    assert set(older.identities.values_list("verified", flat=True)) == {True}


@pytest.mark.django_db
@pytest.mark.parametrize("told", ["rejected", "undone"])
def test_a_pair_that_somebody_told_apart_stays_apart_and_is_asked_about_once(told: str, amy: Any) -> None:
    one = create_customer(values={"name": "E."}, identities=[Handle("email", "eva@example.org")], by=amy)
    other = create_customer(values={"name": "Eva"}, identities=[Handle("id", "7", issuer="shop")], by=amy)
    if told == "rejected":
        Suspect.objects.create(low=one, high=other, probability=0.5, state=SuspectState.REJECTED)
    else:
        (record,) = link_confirmed(KEYS, proof="shop: 7", source="webchat").merges
        undo_merge(record=record, by=amy)
    linked = link_confirmed(KEYS, proof="shop: 7", source="webchat")
    assert (linked.merges, linked.left) == ([], [other.pk])
    pair = Suspect.objects.get()
    assert pair.state == SuspectState.OPEN
    assert link_confirmed(KEYS, proof="shop: 7", source="webchat").merges == []
    Suspect.objects.update(state=SuspectState.REJECTED)
    link_confirmed(KEYS, proof="shop: 7", source="webchat")
    pair.refresh_from_db()
    assert pair.state == SuspectState.REJECTED
