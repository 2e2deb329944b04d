"""Customers, members and rows as files: all columns, all filters, nobody else's, and a line in the trail."""

from __future__ import annotations

import csv
import hashlib
import io
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase
from openpyxl import load_workbook

from accounts.models import AuditEntry
from core.models import Workspace
from crm import audiences
from crm.audiences import SHAPES, Group, google_email, letters, meta_phone, split_name
from crm.consents import ConsentIn, effective_consent, record_consents
from crm.exports import customer_header, customer_rows
from crm.merging import merge_customers
from crm.models import Customer, CustomerTag, CustomField, Identity, Tag
from personas.models import Persona, PersonaMembership, Segment, SegmentMembership
from tests.crm.test_consents import of, person

pytestmark = pytest.mark.django_db


def rows_of(answer: Any) -> list[dict[str, str]]:
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.fixture
def eva(db: None) -> Customer:
    CustomField.objects.create(key="shoe", label="Shoe size", type="number")
    customer = person("Eva Marín", email="eva@example.org", phone="+3225550100")
    customer.city, customer.country, customer.custom = "Lyon", "FR", {"shoe": 39}
    customer.interests = ["tea", "clay"]
    customer.save()
    CustomerTag.objects.create(tag=Tag.objects.create(name="vip"), customer=customer, home_customer=customer)
    return customer


# Customers


def test_a_customer_goes_out_with_all_fields_own_ones_handles_and_tags(eva: Customer, mia, signed_in) -> None:
    (row,) = rows_of(signed_in(mia).get(reverse("crm:customer-export")))
    assert row["name"] == "Eva Marín" and row["custom.shoe"] == "39" and row["tags"] == "vip"
    assert row["interests"] == "tea, clay" and row["profiling_refused"] == "no"
    assert row["handles"] == "email:eva@example.org, phone:+3225550100"


def test_filters_and_search_of_the_list_hold_for_the_file(eva: Customer, mia, signed_in) -> None:
    person("Max", email="max@example.net")
    url, browser = reverse("crm:customer-export"), signed_in(mia)
    for query in ({"q": "marín"}, {"network": "phone"}, {"tag": "vip"}, {"country": "FR"}):
        assert [row["name"] for row in rows_of(browser.get(url, query))] == ["Eva Marín"], query
    assert len(rows_of(browser.get(url))) == 2
    assert browser.get(url, {"stage": "nonsense"}).status_code == 400


def test_customers_merged_away_are_in_no_file(eva: Customer, mia, ada, signed_in) -> None:
    other = person("Eva L", instagram="eva.l")
    merge_customers(keep=eva, drop=other, by=ada)
    (row,) = rows_of(signed_in(mia).get(reverse("crm:customer-export")))
    assert "instagram:eva.l" in row["handles"]


def test_the_same_list_as_xlsx_runs_nothing(eva: Customer, mia, signed_in) -> None:
    Customer.objects.filter(pk=eva.pk).update(name='=HYPERLINK("http://x.example")')
    answer = signed_in(mia).get(reverse("crm:customer-export"), {"format": "xlsx"})
    sheet = load_workbook(io.BytesIO(b"".join(answer.streaming_content))).active
    assert sheet["B2"].value.startswith("=HYPER") and sheet["B2"].data_type == "s"


def test_an_export_is_a_line_in_the_trail_that_names_nobody(eva: Customer, mia, signed_in) -> None:
    signed_in(mia).get(reverse("crm:customer-export"), {"q": "marín", "country": "FR", "format": "csv"})
    entry = AuditEntry.objects.get(verb="customers.exported")
    assert entry.actor == mia and entry.ip
    assert entry.detail == {"count": 1, "format": "csv", "filters": {"country": "FR"}, "searched": True}


def test_more_customers_take_no_more_statements(eva: Customer) -> None:
    header = customer_header()

    def statements() -> int:
        with CaptureQueriesContext(connection) as queries:
            list(customer_rows(Customer.objects.roots(), header))
        return len(queries)

    few = statements()
    for n in range(30):
        person(f"P{n}", email=f"p{n}@example.org")
    assert statements() == few


@pytest.mark.parametrize(
    "name", ["crm:customer-export", "analytics:row-export", "crm:audience-list", "crm:audience"]
)
def test_only_those_who_may_export_do(name, eva, amy, vic, mia, anonymous, signed_in) -> None:  # noqa: PLR0917
    segment = Segment.objects.create(name="All", rule={"all": []})
    args = {"analytics:row-export": ["interactions"], "crm:audience": ["segment", segment.pk]}.get(name, [])
    url = reverse(name, args=args)
    assert anonymous.get(url).status_code == 302
    assert [signed_in(user).get(url).status_code for user in (amy, vic, mia)] == [403, 403, 200]


# Members and rows


@pytest.fixture
def groups(eva: Customer) -> dict[str, Any]:
    segment = Segment.objects.create(name="Tea", rule={"all": []})
    SegmentMembership.objects.create(segment=segment, customer=eva, since=timezone.now(), version=1)
    persona = Persona.objects.create(name="Loyal")
    PersonaMembership.objects.create(
        persona=persona, customer=eva, confidence=0.8, since=timezone.now(), reasons=["buys tea", "writes"]
    )
    person("Max", email="max@example.net")
    return {"segment": segment, "persona": persona}


def test_members_go_out_with_since_when_and_why(groups: dict[str, Any], mia, signed_in) -> None:
    browser = signed_in(mia)
    (row,) = rows_of(browser.get(reverse("personas:segment-export", args=[groups["segment"].pk])))
    assert row["name"] == "Eva Marín" and row["custom.shoe"] == "39" and row["since"]
    (row,) = rows_of(browser.get(reverse("personas:persona-export", args=[groups["persona"].pk])))
    assert (row["fit"], row["reasons"]) == ("0.8", "buys tea, writes")
    assert {"segment.exported", "persona.exported"} <= set(AuditEntry.objects.values_list("verb", flat=True))


@pytest.mark.parametrize("kind", ["interactions", "conversations", "orders"])
@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_the_rows_behind_figures_go_out(kind: str, form: str, mia, signed_in) -> None:
    answer = signed_in(mia).get(reverse("analytics:row-export", args=[kind]), {"format": form})
    assert answer.status_code == 200 and b"".join(answer.streaming_content)
    assert AuditEntry.objects.get(verb=f"{kind}.exported").detail["count"] == 0


# Audiences


def everybody() -> Group:
    return Group("All", Customer.objects.roots().values_list("pk"), "/")


def say(identity: Identity, given: bool, **more: Any) -> None:
    record_consents([ConsentIn(identity.pk, "ads", given, **more)], source="test")


def mails(purpose: str = "ads") -> set[str]:
    return {address for one in audiences.people(everybody(), purpose) for address in one.emails}


def test_only_identities_that_said_yes_leave(eva: Customer) -> None:
    say(of(eva, "phone"), True)
    (only,) = audiences.people(everybody(), "ads")
    assert (list(only.emails), list(only.phones)) == ([], ["+3225550100"])
    assert list(audiences.people(everybody(), "marketing")) == []


def test_everybody_is_counted_once_and_who_is_out_with_the_reason(eva: Customer) -> None:
    say(of(eva, "email"), True)
    gone = person("Gone", email="g@example.org", phone="+3225550101")
    say(of(gone, "email"), True)
    say(of(gone, "phone"), False, whole_person=True)
    back = person("Back", email="b@example.org")
    say(of(back, "email"), True)
    say(of(back, "email"), False)
    person("Quiet", email="q@example.org")
    person("Nobody", instagram="n")
    counts = audiences.count(everybody(), "ads")
    assert (counts.all, counts.included) == (5, 1)
    assert [number for _why, number in counts.excluded] == [1, 1, 1, 1]
    assert mails() == {"eva@example.org"}


class TestAudienceAgainstOneByOne(TestCase):
    """The statement over a group says what the question about one identity says."""

    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(
            st.tuples(st.integers(0, 2), st.sampled_from(["email", "phone"]), st.booleans(), st.booleans()),
            max_size=12,
        )
    )
    def test_it_agrees(self, said: list[tuple[int, str, bool, bool]]) -> None:
        some = [person(f"P{n}", email=f"p{n}@example.org", phone=f"+322555010{n}") for n in range(3)]
        for who, network, yes, whole in said:
            say(of(some[who], network), yes, whole_person=whole and not yes)
        found = {
            address for one in audiences.people(everybody(), "ads") for address in [*one.emails, *one.phones]
        }
        every = Identity.objects.all()
        assert found == {one.external_id for one in every if effective_consent(one, "ads")}


def test_an_audience_of_a_segment_holds_its_members_alone(groups: dict[str, Any], mia, signed_in) -> None:
    for customer in Customer.objects.all():
        say(of(customer, "email"), True)
    url, browser = reverse("crm:audience", args=["segment", groups["segment"].pk]), signed_in(mia)
    assert "Tea" in browser.get(url).content.decode()
    (row,) = rows_of(browser.post(url, {"purpose": "ads", "shape": "plain"}))
    assert (row["email"], row["phone"], row["first_name"], row["last_name"]) == (
        "eva@example.org", "", "Eva", "Marín",
    )  # fmt: skip
    entry = AuditEntry.objects.get(verb="audience.exported")
    assert entry.detail["customers"] == 1 and entry.detail["purpose"] == "ads"
    assert browser.get(reverse("crm:audience", args=["segment", 99])).status_code == 404
    assert browser.get(reverse("crm:audience", args=["nonsense", 1])).status_code == 404


def test_an_audience_of_the_list_keeps_its_filters(eva: Customer, mia, signed_in) -> None:
    other = person("Max 100%", email="max@example.net")
    for customer in (eva, other):
        say(of(customer, "email"), True)
    browser, url = signed_in(mia), reverse("crm:audience-list")
    asked = {"purpose": "ads", "shape": "plain"}
    assert [row["first_name"] for row in rows_of(browser.post(f"{url}?q=100%25", asked))] == ["Max"]
    assert len(rows_of(browser.post(url, asked))) == 2
    assert browser.post(url, {"purpose": "service", "shape": "plain"}).status_code == 400
    assert browser.post(url, {"purpose": "ads", "shape": "fax"}).status_code == 400


def test_getting_the_page_takes_nothing_along(eva: Customer, mia, signed_in) -> None:
    say(of(eva, "email"), True)
    answer = signed_in(mia).get(reverse("crm:audience-list"), {"shape": "plain"})
    assert "eva@example.org" not in answer.content.decode()
    assert not AuditEntry.objects.filter(verb="audience.exported").exists()


@pytest.mark.parametrize("query", [{"q": "nobody of this name"}, {"tag": "/*what*/"}, {"tag": "50 %s"}])
def test_an_audience_of_a_list_with_nobody_in_it_is_empty(
    query: dict[str, str], eva: Customer, mia, signed_in
) -> None:
    browser, url = signed_in(mia), f"{reverse('crm:audience-list')}?{urlencode(query)}"
    assert browser.get(url).status_code == 200
    assert rows_of(browser.post(url, {"purpose": "ads", "shape": "plain"})) == []


def test_the_demo_has_no_audience(eva: Customer, mia, signed_in) -> None:
    say(of(eva, "email"), True)
    Workspace.current()
    Workspace.objects.update(demo_since=timezone.now())
    answer = signed_in(mia).post(reverse("crm:audience-list"), {"purpose": "ads", "shape": "plain"})
    assert answer.status_code == 400


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_each_platform_gets_its_own_shape(eva: Customer) -> None:
    customer = person("Zoë O'Neil-Smith", email="zoe.o.n@gmail.com", phone="+3225550103")
    Customer.objects.filter(pk=customer.pk).update(
        city="São Paulo", country="BR", custom={"postcode": "01310"}
    )
    record_consents(
        [ConsentIn(of(customer, network).pk, "ads", True) for network in ("email", "phone")], source="test"
    )
    group = Group("One", Customer.objects.filter(pk=customer.pk).values_list("pk"), "/")
    (meta,) = audiences.rows(group, "ads", SHAPES["meta"])
    assert list(meta) == [
        sha("zoe.o.n@gmail.com"), sha("3225550103"), sha("zoë"), sha("oneilsmith"), sha("sãopaulo"),
        sha("br"),
    ]  # fmt: skip
    (google,) = audiences.rows(group, "ads", SHAPES["google"])
    assert list(google) == [
        sha("zoeon@gmail.com"), sha("+3225550103"), sha("zoë"), sha("o'neil-smith"), "BR", "01310",
    ]  # fmt: skip
    (plain,) = audiences.rows(group, "ads", SHAPES["plain"])
    assert plain[0] == "zoe.o.n@gmail.com"


def test_what_is_not_known_stays_empty_and_is_not_hashed(eva: Customer) -> None:
    Customer.objects.filter(pk=eva.pk).update(name="Eva", city="", country="")
    say(of(eva, "email"), True)
    (row,) = audiences.rows(everybody(), "ads", SHAPES["meta"])
    assert list(row) == [sha("eva@example.org"), "", sha("eva"), "", "", ""]


def test_what_platforms_ask_for_before_hashing() -> None:
    assert google_email(" A.B@Gmail.com") == "ab@gmail.com"
    assert google_email("a.b@example.org") == "a.b@example.org"
    assert meta_phone("+32 (0)2 555") == "3202555"
    assert letters("D'Arc-Ön 2") == "darcön2"
    assert split_name("Eva") == ("Eva", "")
    assert split_name(" Eva  van Lind ") == ("Eva", "van Lind")
