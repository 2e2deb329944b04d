"""The palette, the search page, the list of messages and the search of the API: who finds what."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import Team
from core import search
from core.paging import Sort, asc, desc, paginate
from core.templatetags.rapport import marked
from core.words import Words
from crm.models import Customer, CustomerNote, Identity, Order, Tag
from crm.privacy.erasing import erase_customer
from engagement import finding as said_finding
from engagement.ingest import ingest
from engagement.models import Conversation, Interaction
from personas.models import Persona
from personas.segments import create_segment
from tests.api import Caller, errors
from tests.engagement.events import START, account, inbound, outbound

pytestmark = pytest.mark.django_db
SignIn = Callable[[Any], Client]
NEWEST, OLDEST = Sort(desc("occurred_at")), Sort(asc("occurred_at"))
HTMX = {"HTTP_HX_REQUEST": "true"}
PINNED = json.loads((Path(__file__).parent.parent / "query_counts.json").read_text())


def labels(text: str, user: Any) -> dict[str, list[str]]:
    return {group.key: [hit.label for hit in group.hits] for group in search.search(text, user)}


def said(text: str, user: Any) -> list[str]:
    rows = Interaction.objects.searched(text, user)
    return [row.external_id for row in paginate(rows, sort=NEWEST, limit=50)]


@pytest.fixture
def talk(db: None) -> Any:
    """Some messages of one team."""
    own = account()
    texts = {
        "a": "The blue parcel was delivered yesterday",
        "b": "Where is my parcel? It is blue.",
        "c": "A red bicycle",
        "d": "refunded at last, Zoë's parcels",
    }
    ingest(own, [inbound(key, minute=n, text=text) for n, (key, text) in enumerate(texts.items())])
    ingest(own, [inbound("mail", minute=9, text="see above", subject="Invoice RB-77 is wrong")])
    return own


# Words


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("parcel", "ba"), ("PARCEL", "ba"), ("blue parcel", "ba"), ("parcel blue", "ba"),
        ('"blue parcel"', "a"), ('"parcel blue"', ""), ('"blue parcel" yesterday', "a"), ("parc*", "dba"),
        ("parcel*", "dba"), ("refun*", "d"), ("parcel bicycle", ""), ("bicycle", "c"), ("par", ""),
        ("-parcel blue", "ba"), ("parcel,", "ba"), ("invoice", ["mail"]), ("rb-77", ["mail"]), ("zoë", "d"),
        ("", "NOTHING"),
    ],
)  # fmt: skip
def test_words_phrases_and_beginnings_find_what_was_said(talk: Any, ada: Any, text: str, keys: Any) -> None:
    if keys == "NOTHING":
        assert said(text, ada) == []
        return
    assert said(text, ada) == list(keys)


HOSTILE = [
    "'", "''", "\\", "\\'", "a'b", "parcel'); DROP TABLE x; --", "!", "!parcel", "a & | ! (", "<->",
    "parcel:*", "parcel:A", "*", "**", "a*", "'parcel':*", '"', '""', '"unclosed', '"a" "b" "c"', "(",
    "((((", ":*", "\x00", "par\x00cel", "\ud800", "💚", "x" * 10_000, "a " * 5_000, "%", "_", "%parcel%",
    "$$", "{}", "%s %(a)s",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_breaks_a_search(ada: Any, text: str) -> None:
    ingest(account(), [inbound("a", text="parcel")])
    assert said(text, ada) in ([], ["a"])
    assert set(labels(text, ada)) <= {"messages"} | set(labels("a", ada))


@pytest.mark.parametrize("text", ["parcel'); DROP TABLE x; --", "\x00", "\ud800", "💚", "x" * 10_000, "%"])
def test_no_text_breaks_a_page(ada: Any, signed_in: SignIn, text: str) -> None:
    browser = signed_in(ada)
    for name in (
        "core:search",
        "engagement:message-list",
        "crm:customer-list",
        "engagement:conversation-rows",
    ):
        answer = browser.get(reverse(name), {"q": text.encode("utf-8", "replace").decode()})
        refusable = len(text) > 200 or "\x00" in text
        assert answer.status_code in ((200, 400) if refusable else (200,)), name
    assert browser.get(
        reverse("core:search"), {"q": text.encode("utf-8", "replace").decode()}, **HTMX
    ).content


@pytest.mark.parametrize("text", ["%", "_", "%parcel%", "p_rcel"])
def test_wildcards_mean_nothing_in_words(talk: Any, ada: Any, text: str) -> None:
    assert said(text, ada) in ([], ["b", "a"])
    assert said("p_rcel", ada) == []


def test_too_many_words_are_cut_not_refused() -> None:
    assert Words.of(" ".join(f"w{n}" for n in range(30))).query is not None
    assert Words.of("…  -- ''").query is None


# Rare, frequent and between


@pytest.fixture(params=["few", "weeks", "walk", "walk too short"])
def way(request: Any, monkeypatch: Any) -> Iterator[str]:
    """Each way in which a search is read."""
    kind = request.param
    if kind != "few":
        monkeypatch.setattr(said_finding, "FEW", 2)
    if kind.startswith("walk"):
        monkeypatch.setattr(said_finding.Said, "_is_frequent", True)
        monkeypatch.setattr(said_finding, "WALKED_FOR_ONE", 1 if "short" in kind else 10)
    yield kind


@pytest.fixture
def months(ada: Any, amy: Any) -> tuple[Any, Any]:
    """Half a year of two teams, some rows of the same moment, some of the future, one of long ago."""
    small = Team.objects.create(name="Small")
    amy.teams.set([small])
    ours, theirs = account("ours", team=small), account("theirs")
    events = [
        inbound(f"k{n}", minute=(n // 2) * 5000, who=f"p{n}", text=f"{'blue' if n % 3 else 'red'} sky")
        for n in range(60)
    ]
    ingest(ours, events[::2])
    ingest(theirs, events[1::2])
    far = inbound("far", minute=525_600, who="far", text="blue moon")
    ingest(theirs, [inbound("long ago", minute=-525_600, who="old", text="blue moon"), far])
    return ada, amy


def expected(user: Any, word: str) -> list[str]:
    """By plain Python."""
    teams = set(Team.objects.values_list("pk", flat=True))
    if user.role == "agent":
        teams = set(user.teams.values_list("pk", flat=True))
    rows = [row for row in Interaction.objects.all() if word in row.text.split() and row.team_id in teams]
    return [row.external_id for row in sorted(rows, key=lambda row: (row.occurred_at, row.pk), reverse=True)]


@pytest.mark.parametrize("limit", [3, 100])
def test_pages_of_messages_hold_each_once_in_order(way: str, months: Any, limit: int) -> None:
    for user in months:
        for word in ("blue", "moon", "green"):
            wanted = expected(user, word)
            for sort, order in ((NEWEST, wanted), (OLDEST, wanted[::-1])):
                assert walk(user, word, sort, limit) == order, (way, user, word)


def walk(user: Any, word: str, sort: Sort, limit: int) -> list[str]:
    """Forward to the end, and back again."""
    rows = Interaction.objects.searched(word, user)
    seen: list[str] = []
    page = paginate(rows, sort=sort, limit=limit)
    seen += [row.external_id for row in page]
    while page.next_token:
        page = paginate(rows, sort=sort, after=page.next_token, limit=limit)
        seen += [row.external_id for row in page]
    back = [row.external_id for row in page]
    while page.previous_token:
        page = paginate(rows, sort=sort, before=page.previous_token, limit=limit)
        back = [row.external_id for row in page] + back
    assert back == seen
    return seen


def test_further_filters_hold_within_a_broad_search(way: str, months: Any) -> None:
    ada, _ = months
    Interaction.objects.filter(external_id__in=["k4", "k40", "k58", "long ago"]).update(kind="review")
    rows = Interaction.objects.searched("blue", ada).filter(kind="review")
    found = [row.external_id for row in paginate(rows, sort=NEWEST, limit=3)]
    assert found == ["k58", "k40", "k4"]


def test_another_order_finds_the_same(way: str, months: Any) -> None:
    ada, _ = months
    rows = Interaction.objects.searched("blue", ada)
    assert len(paginate(rows, sort=Sort(asc("pk")), limit=100)) == len(expected(ada, "blue"))


# Who sees what


def test_other_teams_are_neither_seen_nor_counted(way: str, months: Any, signed_in: SignIn) -> None:
    _, amy = months
    theirs = Interaction.objects.filter(account__name="theirs", text="blue sky").first()
    assert theirs is not None
    assert theirs.external_id not in said("blue", amy)
    answer = signed_in(amy).get(reverse("engagement:message-list"), {"q": "moon"})
    assert b"Nobody said" in answer.content
    assert "messages" not in labels("moon", amy)
    Interaction.objects.filter(pk=theirs.pk).update(text="unicorn")
    assert "messages" not in labels("unicorn", amy)
    assert not Caller(amy, maker=months[0]).get("interactions/", q="unicorn").json()["results"]


def test_nobody_without_a_team_finds_a_message(months: Any, amy: Any) -> None:
    amy.teams.clear()
    fresh = type(amy).objects.get(pk=amy.pk)
    assert said("blue", fresh) == []


def test_only_staff_search(anonymous: Client, vic: Any, signed_in: SignIn) -> None:
    for name in ("core:search", "engagement:message-list"):
        assert anonymous.get(reverse(name), {"q": "eva"}).status_code == 302
        assert signed_in(vic).get(reverse(name), {"q": "eva"}).status_code == 200


# The palette


@pytest.fixture
def world(talk: Any, ada: Any) -> Customer:
    """One of each kind that is found."""
    eva = Customer.objects.get(identities__external_id="eva")
    Customer.objects.filter(pk=eva.pk).update(name="Eva Bergström")
    Order.objects.create(
        source="shop", external_id="900", number="RB-77", placed_at=START, total=5, currency="EUR",
        customer=eva, home_customer=eva,
    )  # fmt: skip
    CustomerNote.objects.create(text="Likes bergamot tea", customer=eva, home_customer=eva, author=ada)
    Tag.objects.create(name="Bergamot friends")
    create_segment(name="Bergen", rule={"all": [{"field": "traits.orders_total", "op": "gte", "value": 1}]})
    Persona.objects.create(name="Bergsteiger")
    return Customer.objects.get(pk=eva.pk)


def test_each_kind_has_its_group(world: Customer, ada: Any) -> None:
    found = labels("berg", ada)
    assert found["customers"] == ["Eva Bergström"]
    assert found["notes"] == ["Likes bergamot tea"]
    assert found["tags"] == ["Bergamot friends"]
    assert found["segments"] == ["Bergen"]
    assert found["personas"] == ["Bergsteiger"]
    assert labels("rb-77", ada)["orders"] == ["RB-77"]
    assert labels("RB-7", ada)["orders"] == ["RB-77"], "by its beginning"
    assert labels("parcel", ada)["messages"][0].startswith("refunded at last, Zoë's parcels")
    assert labels("audit", ada)["pages"] == ["Audit trail"]
    assert labels("new cust", ada)["actions"] == ["New customer"]


def test_the_palette_marks_what_was_found_and_leads_on(world: Customer, ada: Any, signed_in: SignIn) -> None:
    body = signed_in(ada).get(reverse("core:search"), {"q": "bergstrom"}, **HTMX).content.decode()
    assert "Eva <mark>Bergström</mark>" in body
    assert f'href="{world.get_absolute_url()}"' in body
    assert "<html" not in body
    assert "<html" in signed_in(ada).get(reverse("core:search"), {"q": "bergstrom"}).content.decode()


def test_a_group_with_more_leads_to_its_list(ada: Any, signed_in: SignIn) -> None:
    for number in range(9):
        Customer.objects.create(name=f"Eva {number}")
    body = signed_in(ada).get(reverse("core:search"), {"q": "eva"}, **HTMX).content.decode()
    assert body.count("ti-user") >= 6
    assert f"{reverse('crm:customer-list')}?q=eva" in body


def test_nothing_found_says_what_to_try(ada: Any, signed_in: SignIn) -> None:
    body = signed_in(ada).get(reverse("core:search"), {"q": "zzzz<b>"}, **HTMX).content.decode()
    assert "zzzz&lt;b&gt;" in body and "<b>" not in body


def test_before_anything_is_typed_there_are_recent_places_and_actions(
    world: Customer, ada: Any, vic: Any, signed_in: SignIn
) -> None:
    gone = Customer.objects.create(name="Gone")
    paths = [
        world.get_absolute_url(),
        gone.get_absolute_url(),
        "/nowhere/",
        "http://[",
        world.get_absolute_url(),
    ]
    Customer.objects.filter(pk=gone.pk).delete()
    body = signed_in(ada).get(reverse("core:search"), {"recent": paths}, **HTMX).content.decode()
    assert body.count("Eva Bergström") == 1
    assert "New customer" in body and "Gone" not in body
    assert "New customer" not in signed_in(vic).get(reverse("core:search"), **HTMX).content.decode()


def test_a_slow_group_says_so_and_holds_up_nobody(monkeypatch: Any, world: Customer, ada: Any) -> None:
    def sleep(text: str, user: Any, limit: int) -> list[Any]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(30)")
        return []

    monkeypatch.setattr(search, "SECONDS_EACH", 0.2)
    monkeypatch.setitem(search._finders, "slow", search.Finder("slow", "Slow", sleep, order=1))
    began = timezone.now()
    groups = {group.key: group for group in search.search("berg", ada)}
    assert timezone.now() - began < timedelta(seconds=5)
    assert groups["slow"].is_slow and not groups["slow"].hits
    assert groups["customers"].hits and not groups["customers"].is_slow
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone()[0] in ("0", "0ms"), "nothing after it is bounded"


def test_marks_ignore_accents_and_capitals_and_escape() -> None:
    assert marked("Jörg <Ångström>", "ANG jorg") == "<mark>Jörg</mark> &lt;<mark>Ång</mark>ström&gt;"
    assert marked("parcels", "parcel*") == "<mark>parcel</mark>s"
    assert marked("a & b", "") == "a &amp; b"
    assert marked("Straße", "strasse") == "<mark>Straße</mark>"


# The inbox


def test_the_inbox_finds_by_customer_and_by_words(talk: Any, ada: Any, monkeypatch: Any) -> None:
    Customer.objects.filter(identities__external_id="eva").update(name="Eva Lind")
    ingest(talk, [inbound("z", who="bo", thread="t2", text="a green balloon"), outbound("y", thread="t2")])

    def found(text: str) -> int:
        return Conversation.objects.visible_to(ada).matching(text, ada).count()

    for few, view in ((500, 200), (1, 200), (1, 0)):
        monkeypatch.setattr(said_finding, "FEW", few)
        monkeypatch.setattr(said_finding, "SMALL_VIEW", view)
        assert (found("balloon"), found("lind"), found("parcel"), found("nothing")) == (1, 1, 1, 0)


# Privacy


def test_the_erased_are_not_found(world: Customer, ada: Any) -> None:
    assert labels("parcel", ada) and labels("bergström", ada)
    Identity.objects.create(
        network="email", external_id="eva@mail.example", customer=world, home_customer=world
    )
    erase_customer(customer=world, by=ada)
    for text in ("bergström", "eva@mail", f"#{world.pk}", "bergamot tea", "rb-77"):
        found = labels(text, ada)
        assert not set(found) & {"customers", "notes", "orders"}, (text, found)


# The API


def test_the_api_finds_the_same(world: Customer, ada: Any) -> None:
    body = Caller(ada).get("search/", q="bergstrom").json()
    (group,) = [one for one in body["groups"] if one["group"] == "customers"]
    (hit,) = group["results"]
    assert (hit["object"], hit["id"], hit["label"]) == ("customer", world.pk, "Eva Bergström")
    assert group["more"] is False and group["slow"] is False
    only = Caller(ada).get("search/", q="berg", groups="tags, segments").json()["groups"]
    assert [one["group"] for one in only] == ["segments", "tags"]
    groups = Caller(ada).get("search/", q="customer").json()["groups"]
    assert not {"pages", "actions"} & {one["group"] for one in groups}


def test_the_api_says_what_is_wrong(ada: Any) -> None:
    caller = Caller(ada)
    for query in ({}, {"q": ""}, {"q": " "}, {"q": "x" * 201}):
        assert errors(caller.get("search/", **query)) == [("required", "q")]
    assert errors(caller.get("search/", q="a", limit="0")) == [("invalid", "limit")]
    assert errors(caller.get("search/", q="a", groups="pages")) == [("invalid", "groups")]
    assert errors(caller.get("search/", q="a", nonsense="1")) == [("unknown_parameter", "nonsense")]


def test_a_key_searches_only_what_it_may_read(world: Customer, ada: Any) -> None:
    groups = Caller(ada, ["conversation.read"]).get("search/", q="bergström").json()["groups"]
    assert groups == []
    groups = Caller(ada, ["customer.read"]).get("search/", q="parcel").json()["groups"]
    assert groups == []


def test_lists_of_the_api_search_alike(world: Customer, ada: Any) -> None:
    caller = Caller(ada)
    assert [row["id"] for row in caller.get("customers/", q="bergstrom eva").json()["results"]] == [world.pk]
    rows = caller.get("interactions/", q='"blue parcel"').json()["results"]
    assert [row["external_id"] for row in rows] == ["a"]
    assert len(caller.get("conversations/", q="bicycle").json()["results"]) == 1


def test_pages_take_a_pinned_number_of_statements(talk: Any, ada: Any, signed_in: SignIn) -> None:
    browser = signed_in(ada)
    for name in ("engagement:message-list", "core:search"):
        browser.get(reverse(name), {"q": "parcel"})
        with CaptureQueriesContext(connection) as found:
            browser.get(reverse(name), {"q": "parcel"})
        assert len(found) == PINNED[name], f"{name}: {len(found)} statements, {PINNED[name]} pinned"
