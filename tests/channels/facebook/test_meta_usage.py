"""What Meta's headers say of the allowance, and what the machine makes of it."""

from __future__ import annotations

import json

import pytest

from core.http import Answer, RateLimit
from engagement import rates
from engagement.channels.meta.usage import allowance, seconds_to_wait
from tests.channels.facebook.accounts import link, new_account
from tests.channels.facebook.graph import MetaPlatform


def answered(**headers: object) -> Answer:
    plain = {name: one if isinstance(one, str) else json.dumps(one) for name, one in headers.items()}
    return Answer(200, {name.replace("_", "-"): one for name, one in plain.items()}, b"{}")


BUSINESS = {
    "112": [
        {"type": "pages", "call_count": 12, "total_cputime": 3, "total_time": 97.4},
        {"type": "messenger", "call_count": 100, "estimated_time_to_regain_access": 7},
    ]
}


def test_the_fullest_of_all_counts_decides() -> None:
    assert allowance(answered(X_App_Usage={"call_count": 28, "total_time": 40, "total_cputime": 25})) == (
        RateLimit(limit=100, remaining=60, resets_in=None)
    )
    found = allowance(answered(X_App_Usage={"call_count": 1}, X_Business_Use_Case_Usage=BUSINESS))
    assert found == RateLimit(limit=100, remaining=0, resets_in=420)
    assert seconds_to_wait(answered(X_Business_Use_Case_Usage=BUSINESS)) == 420


@pytest.mark.parametrize(
    "odd", ["", "x", "[]", "{}", '{"1":7}', '{"1":[7]}', '{"1":[{"call_count":"many"}]}', "null"]
)
def test_headers_that_nobody_can_read_say_nothing_bad(odd: str) -> None:
    found = allowance(answered(X_Business_Use_Case_Usage=odd))
    assert found is None or found.remaining == 100
    assert seconds_to_wait(answered(X_Business_Use_Case_Usage=odd)) == 0


@pytest.mark.django_db
def test_what_the_headers_say_replaces_our_own_count(meta: MetaPlatform) -> None:
    account = new_account("facebook")
    meta.headers = {"X-Business-Use-Case-Usage": json.dumps(BUSINESS)}
    link("facebook").check(account)
    left = {one.name: one.left for one in rates.left(account)}
    assert left["pull"] == 0 and left["send"] > 0
