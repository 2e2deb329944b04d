"""Links to a card, tried as somebody who wants more than the link gives."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core import signing
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry
from config.logs import hide_signed_links
from core.models import Workspace
from crm.models import Customer
from crm.preferences import limits
from personas.authoring import add_note
from personas.cards.making import heat
from personas.models import Persona, PersonaDay, PersonaMembership, PersonaShare, Segment
from personas.sharing import (
    LEAST_MEMBERS,
    ShareGone,
    revoke_share,
    share_of,
    share_persona,
    share_token,
    share_url,
    shared_card,
)

pytestmark = pytest.mark.django_db

QUOTE = "The lid cracked after a week and nobody answered me"
REPLY = "Your reading is right: a new base leaves on Thursday"


def figure(here: float, base: int = 40) -> dict[str, Any]:
    return {"here": here, "all": here / 2, "base": base}


def words(text: str) -> dict[str, Any]:
    return {
        "text": text,
        "network": "email",
        "kind": "message",
        "rating": None,
        "mood": "negative",
        "said": 5,
    }


CARD: dict[str, Any] = {
    "base": {
        "customers": 40, "of": 90, "speakers": 30, "buyers": 20, "revenue_share": 0.3, "revenue_days": 365,
        "revenue_buyers": 12, "drawn": 40, "days": 365, "few": False,
    },
    "who": {
        "city": [
            {"value": "Mersch", "n": 20, "share": 0.5, "base": 40},
            {"value": "Vianden", "n": 4, "share": 0.1, "base": 40},
        ],
        "age_from": 30.0, "age_to": 40.0, "ages_known": 3, "months_with_us": 9.0, "months_known": 40,
    },
    "reasons": [
        {"reason": "question", "n": 30, "share": 0.6, "all": 0.5, "base": 50, "customers": 6},
        {"reason": "rare-reason", "n": 20, "share": 0.4, "all": 0.5, "base": 50, "customers": 1},
    ],
    "topics": [
        {"topic": "delivery", "n": 9, "share": 0.3, "base": 30, "customers": 6},
        {"topic": "rare-topic", "n": 9, "share": 0.3, "base": 30, "customers": 2},
    ],
    "hurts": [{"topic": "lids", "n": 9, "share": 0.3, "base": 30, "customers": 6}],
    "quotes": [words(QUOTE)], "complaints": [words(QUOTE)], "glad": [words(QUOTE)],
    "replies": [{"text": REPLY, "network": "email", "kind": "message", "seconds": 60, "said": 6}],
    "replied": {"rate": 0.7123, "all": 0.5, "base": 86},
    "networks": {
        "shares": [
            {"network": "email", "share": 0.5, "n": 99, "customers": 6},
            {"network": "rare-network", "share": 0.5, "n": 99, "customers": 4},
        ],
        "base": 198, "days": 90,
    },
    "content": {
        "media": [{"value": "rare-media", "n": 9, "share": 1.0, "all": 0.5, "base": 9, "customers": 2}],
        "topic": [],
    },
    "answers": [{"network": "rare-answers", "rate": 0.9, "all": 0.5, "base": 80, "customers": 4}],
    "hours": heat(
        [[5] * 8 + [77] + [5] * 15, *[[5] * 24] * 6], [[5] * 8 + [4] + [5] * 15, *[[5] * 24] * 6], days=365
    ),
    "value": {
        "value_365": {**figure(400), "low": 100.0, "high": 900.0, "intervals": 40},
        "gap_days": figure(61, 4),
    },
    "apart": [],
    "changed": {"members_before": 30, "came": [], "left": [], "weeks": 12, "days": 30},
    "segments": [{"segment": 1, "n": 9, "here": 0.2, "there": 0.3, "times": 2, "size": 30}],
    "organizations": [{"organization": 1, "people": 5, "of": 9}],
}  # fmt: skip


@pytest.fixture(autouse=True)
def _fresh_limits() -> None:
    from django.core.cache import cache

    cache.clear()


@pytest.fixture
def persona(db: None) -> Persona:
    Workspace.current()
    made = Persona.objects.create(
        name="Ritual pourers", members=40, card=CARD, goals="One cup", card_at=timezone.now()
    )
    who = Customer.objects.create(name="Viktor Secretson")
    PersonaMembership.objects.create(customer=who, persona=made, confidence=0.9, since=timezone.now())
    Segment.objects.create(pk=1, name="Hidden segment")
    return made


@pytest.fixture
def share(persona: Persona, mia: Any) -> PersonaShare:
    return share_persona(persona=persona, label="The agency", days=30, by=mia)


def url_of(token: str) -> str:
    return reverse("personas:shared", args=[token])


def opened(token: str) -> Any:
    return Client().get(url_of(token))


def test_a_link_shows_the_card_and_nothing_of_the_house(
    persona: Persona, share: PersonaShare, mia: Any
) -> None:
    add_note(persona=persona, part="who", text="An internal guess", by=mia)
    add_note(persona=persona, part="who", text="Flats with one window", source="Eleven visits", by=mia)
    persona.edited_by, persona.edited_at = mia, timezone.now()
    persona.save()
    answer = opened(share_token(share))
    page = answer.content.decode()
    assert answer.status_code == 200
    for shown in (
        "Ritual pourers",
        "One cup",
        "Mersch",
        "Flats with one window",
        "Eleven visits",
        "delivery",
    ):
        assert shown in page, shown
    hidden = [
        QUOTE, REPLY, "An internal guess", "Viktor", "Secretson", "Hidden segment", "The agency", "Vianden",
        "rare-topic", "rare-reason", "rare-media", "rare-network", "rare-answers", "71%",
        mia.display_name, mia.email, "30 to 40", "csrf", "/personas/", "/customers/",
    ]  # fmt: skip
    for secret in hidden:
        assert secret.lower() not in page.replace(url_of(share_token(share)), "").lower(), secret


def test_a_day_on_which_the_group_was_small_is_left_out(persona: Persona, share: PersonaShare) -> None:
    today = Workspace.current().today()
    for ago, members in ((9, 1), (8, 6), (7, 7)):
        PersonaDay.objects.create(
            persona=persona, day=today - timedelta(days=ago), members=members, value_365=9000 + members
        )
    page = opened(share_token(share)).content.decode()
    assert "9,006" in page and "9,007" in page
    assert "9,001" not in page, "the mean of one member is that member"


def test_a_shared_card_names_each_part_that_leaves(share: PersonaShare) -> None:
    left = set(CARD) - set(shared_card(CARD))
    assert left == {
        "quotes",
        "complaints",
        "glad",
        "replies",
        "replied",
        "changed",
        "segments",
        "organizations",
    }
    assert shared_card({**CARD, "invented": "something new"}).keys() == shared_card(CARD).keys()
    assert set(shared_card(CARD)["value"]) == {"value_365"}, "of four customers nothing is told"


def test_what_is_left_out_cannot_be_reckoned_from_what_is_told() -> None:
    told = shared_card(CARD)
    assert told["networks"] == {
        "shares": [{"network": "email", "share": 1.0, "n": 99, "customers": 6}],
        "base": 99,
        "days": 90,
    }
    assert [(row["share"], row["base"]) for row in told["reasons"]] == [(1.0, 30)]
    whole = [{**row, "customers": 6} for row in CARD["reasons"]]
    assert shared_card({**CARD, "reasons": whole})["reasons"] == whole


@pytest.mark.parametrize("buyers", [0, 4, None])
def test_the_revenue_of_few_is_not_told(buyers: int | None) -> None:
    assert shared_card(CARD)["base"]["revenue_share"] == 0.3
    base = {name: one for name, one in CARD["base"].items() if name != "revenue_buyers"}
    more = {} if buyers is None else {"revenue_buyers": buyers}
    assert shared_card({**CARD, "base": {**base, **more}})["base"]["revenue_share"] is None


def test_an_interval_and_a_duration_known_of_few_are_not_told() -> None:
    assert shared_card(CARD)["value"]["value_365"]["low"] == 100.0
    assert shared_card(CARD)["who"]["months_with_us"] == 9.0
    value = {"value_365": {**CARD["value"]["value_365"], "intervals": 4}}
    told = shared_card({**CARD, "value": value, "who": {**CARD["who"], "months_known": 4}})
    assert (told["value"]["value_365"]["low"], told["value"]["value_365"]["high"]) == (None, None)
    assert told["value"]["value_365"]["here"] == 400
    assert told["who"]["months_with_us"] is None


def test_no_line_ends_in_a_figure_that_the_card_leaves_out(persona: Persona, share: PersonaShare) -> None:
    persona.card = {**CARD, "value": {"value_365": figure(400), "sentiment": figure(0.4321, 4)}}
    persona.save()
    today = Workspace.current().today()
    for ago in (1, 0):
        PersonaDay.objects.create(
            persona=persona, day=today - timedelta(days=ago), members=40, value_365=8123, sentiment=0.87
        )
    page = opened(share_token(share)).content.decode()
    assert "8,123" in page
    assert "0.87" not in page, "the mood of four"


def test_a_card_written_of_few_is_not_shared_once_others_join(persona: Persona, share: PersonaShare) -> None:
    persona.card = {**CARD, "base": {**CARD["base"], "customers": 3, "few": True}}
    persona.save()
    assert persona.members >= LEAST_MEMBERS
    assert opened(share_token(share)).status_code == 404


def test_an_hour_of_few_customers_is_left_empty_and_is_not_the_best_one() -> None:
    assert CARD["hours"]["best"][0] == {"weekday": 1, "hour": 8, "n": 77}
    hours = shared_card(CARD)["hours"]
    assert (hours["counts"][0][8], hours["customers"][0][8], hours["counts"][0][9]) == (0, 0, 5)
    assert hours["best"][0] == {"weekday": 1, "hour": 0, "n": 5}
    assert hours["base"] == 5 * (7 * 24 - 1)
    written_before = {name: one for name, one in CARD["hours"].items() if name != "customers"}
    assert shared_card({**CARD, "hours": written_before})["hours"] == {}


def test_no_cookie_no_index_no_referrer_and_a_strict_policy(share: PersonaShare) -> None:
    for answer in (opened(share_token(share)), opened("nonsense")):
        assert not answer.cookies
        assert answer["X-Robots-Tag"].startswith("noindex")
        assert answer["Referrer-Policy"] == "no-referrer"
        assert answer["Cache-Control"] == "no-store, private"
        policy = answer["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy


def test_every_wrong_link_is_answered_the_same(persona: Persona, share: PersonaShare, mia: Any) -> None:
    token = share_token(share)
    other = Persona.objects.create(name="Other", members=40, card=CARD)
    revoked = share_persona(persona=persona, days=7, by=mia)
    revoke_share(share=revoked, by=mia)
    expired = share_persona(persona=persona, days=7, by=mia)
    PersonaShare.objects.filter(pk=expired.pk).update(
        created_at=timezone.now() - timedelta(days=8), expires_at=timezone.now() - timedelta(seconds=1)
    )
    deleted = share_persona(persona=other, days=7, by=mia)
    deleted_token = share_token(deleted)
    other.delete()
    key, _dot, signature = token.rpartition(".")
    wrong = [
        "nonsense", key, f"{key}.", f"{key}.{signature[:-1]}x", f"{key[:-1]}x.{signature}", f"{token}x",
        token.swapcase(), share.key, str(share.pk), f"{share.pk}.{signature}",
        signing.Signer(salt="personas.share", sep=".").sign("another-key"),
        signing.Signer(sep=".").sign(share.key),
        signing.Signer(key="guess", salt="personas.share", sep=".").sign(key),
        share_token(revoked), share_token(expired), deleted_token,
        "%00", "..", "x" * 3000, "é" * 50,
    ]  # fmt: skip
    bodies = set()
    for one in wrong:
        answer = Client().get(f"/shared/personas/{one}/")
        if answer.status_code == 404 and b"This link opens nothing" in answer.content:
            bodies.add(answer.content)
        else:
            assert answer.status_code == 404 and b"Ritual pourers" not in answer.content, one[:40]
    assert len(bodies) == 1
    assert b"Ask whoever sent it" in bodies.pop()


def test_a_forged_signature_asks_no_table(share: PersonaShare) -> None:
    Workspace.current()
    with CaptureQueriesContext(connection) as found, pytest.raises(ShareGone):
        share_of(f"{share.key}.forged")
    assert len(found) == 0


def test_a_link_opens_its_own_card_alone(persona: Persona, share: PersonaShare, mia: Any) -> None:
    other = Persona.objects.create(name="Other people", members=40, card=CARD)
    theirs = share_persona(persona=other, days=7, by=mia)
    assert b"Other people" in opened(share_token(theirs)).content
    assert b"Other people" not in opened(share_token(share)).content
    signature = share_token(share).split(".")[1]
    other_key, _signature = share_token(theirs).split(".")
    assert opened(f"{other_key}.{signature}").status_code == 404
    assert (
        Client().get(f"{url_of(share_token(share))}?persona={other.pk}").content.count(b"Other people") == 0
    )


def test_a_link_ends_by_itself(share: PersonaShare) -> None:
    token = share_token(share)
    with time_machine.travel(timezone.now() + timedelta(days=29, hours=23), tick=False):
        assert opened(token).status_code == 200
    with time_machine.travel(timezone.now() + timedelta(days=30, seconds=1), tick=False):
        assert opened(token).status_code == 404


def test_a_link_ends_where_its_group_became_small_or_is_gone(persona: Persona, share: PersonaShare) -> None:
    for changed in ({"members": LEAST_MEMBERS - 1}, {"members": 40, "is_active": False}):
        Persona.objects.filter(pk=persona.pk).update(**changed)
        assert opened(share_token(share)).status_code == 404
    Persona.objects.filter(pk=persona.pk).update(is_active=True)
    assert opened(share_token(share)).status_code == 200


def test_opening_is_counted_and_looking_is_not(share: PersonaShare) -> None:
    url = url_of(share_token(share))
    Client().head(url)
    opened("nonsense")
    share.refresh_from_db()
    assert (share.seen, share.last_seen_at) == (0, None)
    for _each in range(2):
        Client().get(url)
    share.refresh_from_db()
    assert share.seen == 2 and share.last_seen_at is not None


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options"])
def test_a_link_is_only_read(method: str, share: PersonaShare) -> None:
    answer = getattr(Client(), method)(url_of(share_token(share)))
    assert answer.status_code == 405
    assert b"Ritual" not in answer.content


def test_one_address_opens_links_so_often_and_no_oftener(share: PersonaShare) -> None:
    url = url_of(share_token(share))
    client = Client(REMOTE_ADDR="203.0.113.9")
    answers = [client.get(url).status_code for _each in range(limits.READS + 2)]
    assert answers[: limits.READS] == [200] * limits.READS
    assert answers[limits.READS :] == [429, 429]
    assert b"Ritual" not in client.get(url).content
    assert Client(REMOTE_ADDR="203.0.113.10").get(url).status_code == 200


def test_logs_keep_no_link(share: PersonaShare) -> None:
    token = share_token(share)
    told = hide_signed_links(None, "info", {"event": f'"GET /shared/personas/{token}/ HTTP/1.1" 200'})
    assert token not in str(told) and share.key not in str(told)
    assert "/shared/personas/…" in told["event"]


# Making and ending


def test_a_link_is_made_told_of_and_ended(persona: Persona, mia: Any, max: Any, signed_in: Any) -> None:
    url = reverse("personas:share-list", args=[persona.pk])
    assert signed_in(mia).post(url, {"label": "Printer", "days": "7"}).status_code == 302
    share = PersonaShare.objects.get()
    assert (share.label, share.by, (share.expires_at - share.created_at).days) == ("Printer", mia, 7)
    page = signed_in(max).get(url).content.decode()
    assert share_url(share) in page and "Printer" in page and "not opened yet" in page
    assert opened(share_token(share)).status_code == 200
    assert "opened once" in signed_in(max).get(url).content.decode()
    revoke = reverse("personas:share-revoke", args=[share.pk])
    assert signed_in(max).get(revoke).status_code == 405
    assert signed_in(max).post(revoke).status_code == 302
    assert opened(share_token(share)).status_code == 404
    page = signed_in(mia).get(url).content.decode()
    assert share_token(share) not in page and "revoked on" in page
    verbs = AuditEntry.objects.filter(verb__startswith="persona.share").order_by("pk")
    assert [(entry.verb, entry.actor) for entry in verbs] == [
        ("persona.shared", mia), ("persona.share_revoked", max),
    ]  # fmt: skip
    assert all(share.key not in str(entry.detail) for entry in verbs)


def test_those_who_may_not_share_neither_make_nor_see_nor_end(
    share: PersonaShare, amy: Any, vic: Any, signed_in: Any
) -> None:
    persona = share.persona
    urls = [
        reverse("personas:share-list", args=[persona.pk]),
        reverse("personas:share-revoke", args=[share.pk]),
    ]
    for url in urls:
        for who in (amy, vic):
            assert signed_in(who).post(url, {"days": "7"}).status_code == 403
        assert Client().post(url, {"days": "7"}).status_code == 302
    assert signed_in(vic).get(urls[0]).status_code == 403
    with pytest.raises(PermissionDenied):
        share_persona(persona=persona, days=7, by=amy)
    with pytest.raises(PermissionDenied):
        revoke_share(share=share, by=amy)
    page = signed_in(vic).get(reverse("personas:persona-detail", args=[persona.pk])).content.decode()
    assert urls[0] not in page
    assert PersonaShare.objects.filter(revoked_at=None).count() == 1


def test_a_small_group_is_not_shared(persona: Persona, mia: Any, signed_in: Any) -> None:
    Persona.objects.filter(pk=persona.pk).update(members=LEAST_MEMBERS - 1)
    url = reverse("personas:share-list", args=[persona.pk])
    with pytest.raises(ValidationError):
        share_persona(persona=persona, days=7, by=mia)
    assert signed_in(mia).post(url, {"days": "7"}).status_code == 422
    assert "cannot be shared" in signed_in(mia).get(url).content.decode()
    assert not PersonaShare.objects.exists()


@pytest.mark.parametrize("days", ["0", "-1", "8", "3650", "x", ""])
def test_a_link_lives_as_long_as_is_offered(days: str, persona: Persona, mia: Any, signed_in: Any) -> None:
    url = reverse("personas:share-list", args=[persona.pk])
    assert signed_in(mia).post(url, {"days": days}).status_code == 422
    assert not PersonaShare.objects.exists()


def test_keys_are_long_and_never_alike(persona: Persona, mia: Any) -> None:
    keys = {share_persona(persona=persona, days=7, by=mia).key for _each in range(20)}
    assert len(keys) == 20
    assert all(re.fullmatch(r"[\w-]{43}", key) for key in keys)
