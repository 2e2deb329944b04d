"""Searching customers: every spelling, the same rows however many there are, and no wildcards."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from core import finding as core_finding
from core.models import Workspace
from crm import finding
from crm.merging import merge_customers, undo_merge
from crm.models import Customer, Identity, Order

pytestmark = pytest.mark.django_db


def person(name: str, **handles: str) -> Customer:
    one = Customer.objects.create(name=name)
    for network, external_id in handles.items():
        attach(one, network, external_id)
    return one


def attach(one: Customer, network: str, external_id: str, handle: str = "", issuer: str = "") -> Identity:
    return Identity.objects.create(
        network=network,
        issuer=issuer,
        external_id=external_id,
        handle=handle,
        customer=one,
        home_customer=one,
    )


def found(text: str) -> list[str]:
    return sorted(Customer.objects.roots().matching(text).values_list("name", flat=True))


@pytest.fixture
def anna() -> Customer:
    Workspace.objects.filter(pk=Workspace.current().pk).update(country="DE")
    one = person("Ánna-Lena Smíth", email="anna.smith@mail.example.org", phone="+491712345678")
    attach(one, "x", "7700112233", "@Lena_S%th")
    attach(one, "id", "K-4711", issuer="shop")
    person("Bo Other", email="bo@example.com", phone="+491719999999")
    return one


@pytest.mark.parametrize(
    "text",
    [
        "anna", "ANNA-LENA", "smith anna", "Smith  Ánna", "smíth", "na-le", "a\u0301nna", "ｓmith",
        "Lena_S%th", "@lena_s%th", "lena_s%", "7700112233",
        "anna.smith@mail.example.org", "anna.smith", "mail.example.org", "@mail.example.org", "ANNA.SMITH@",
        "0171 234-5678", "+49 171 2345678", "(0171) 2345678", "+49 (0)171 2345678", "0049 171 2345678",
        "01712345678", "171/2345678", "345678", "2345678", "0171 2345", "+49171234",
        "K-4711", "k-47", " K-4711 ",
    ],
)  # fmt: skip
def test_every_spelling_finds_her_and_nobody_else(anna: Customer, text: str) -> None:
    assert found(text) == [anna.name]


def test_words_in_name_and_handle_may_be_mixed(anna: Customer) -> None:
    assert found("lena example.org") == [anna.name]
    assert found("lena example.com") == []


def test_the_number_of_a_customer_and_of_an_order_find_them(anna: Customer) -> None:
    Order.objects.create(
        source="shop", external_id="900017", number="RB-1001", placed_at=datetime(2026, 1, 2, tzinfo=UTC),
        total=5, currency="EUR", customer=anna, home_customer=anna,
    )  # fmt: skip
    for text in (f"#{anna.pk}", f"# {anna.pk}", "RB-1001", "rb-1001", "900017", "#RB-1001"):
        assert found(text) == [anna.name], text
    assert found("RB-1002") == found(f"#{anna.pk + 999}") == []


@pytest.mark.parametrize(
    "text", ["%", "_", "\\", "%%%", "a%a", "___", "\\%", "a\\", "Lena?S", "Bo_Other", "' OR 1=1"]
)
def test_wildcards_are_plain_letters(anna: Customer, text: str) -> None:
    assert found(text) == []


def test_a_handle_with_wildcards_in_it_is_found_by_them(anna: Customer) -> None:
    assert found("a_s%t") == [anna.name]


@pytest.mark.parametrize(
    "text", ["x" * 10_000, "\x00", "anna\x00", "\ud800", " ", "\n\t", "“anna”", "💚", "#" + "9" * 40]
)
def test_nothing_that_is_typed_is_refused(anna: Customer, text: str) -> None:
    list(Customer.objects.matching(text))


def test_a_nul_does_not_hide_her(anna: Customer) -> None:
    assert found("anna\x00") == [anna.name]


@pytest.mark.parametrize("most", [0, 3, 500])
def test_few_and_many_hits_are_found_alike(monkeypatch: Any, most: int) -> None:
    for number in range(6):
        one = Customer.objects.create(name=f"Eva {number}" if number % 2 else f"Bo {number}")
        attach(one, "x", str(number), f"Eva{number}_x")
    monkeypatch.setattr(finding, "FEW", most)
    assert found(" eva ") == ["Bo 0", "Bo 2", "Bo 4", "Eva 1", "Eva 3", "Eva 5"]
    assert found("@EVA4_") == ["Bo 4"]
    assert found("eva 3") == ["Eva 3"]
    assert found("100%") == found("nobody") == []
    assert len(found("")) == 6


@pytest.mark.parametrize("piece", [1, 2, 5, 16_384])
@pytest.mark.parametrize("sort", ["-id", "id", "-last_seen", "name"])
def test_pages_of_a_broad_search_hold_everybody_once(monkeypatch: Any, piece: int, sort: str) -> None:
    from core.paging import paginate
    from crm.filters import CUSTOMER_SORTS

    monkeypatch.setattr(finding, "FEW", 2)
    monkeypatch.setattr(finding, "PIECE", piece)
    for number in range(11):
        one = Customer.objects.create(name=f"Eva {number}" if number % 3 else f"Bo {number}")
        if number % 2:
            attach(one, "x", str(number), f"Eva{number}_x")
    wanted = [pk for pk, name in Customer.objects.values_list("pk", "name")]
    wanted = [pk for pk in wanted if pk in set(Customer.objects.matching("eva").values_list("pk", flat=True))]
    broad = Customer.objects.roots().matching("eva")
    assert broad.finder is not None
    seen: list[int] = []
    token, pages = None, 0
    while True:
        page = paginate(broad, sort=CUSTOMER_SORTS[sort], after=token, limit=3)
        seen += [row.pk for row in page]
        pages += 1
        if page.next_token is None:
            break
        token = page.next_token
    assert sorted(seen) == sorted(wanted) and len(seen) == len(set(seen)) == 9
    if sort.endswith("id"):
        assert seen == sorted(seen, reverse=sort == "-id")
    assert page.previous_token
    back = paginate(broad, sort=CUSTOMER_SORTS[sort], before=page.previous_token, limit=3)
    assert [row.pk for row in back] == seen[3:6]


def test_further_filters_hold_within_a_broad_search(monkeypatch: Any) -> None:
    from core.paging import paginate
    from crm.filters import CUSTOMER_SORTS

    monkeypatch.setattr(finding, "FEW", 2)
    for number in range(40):
        Customer.objects.create(name=f"Eva {number}", stage="retention" if number in (3, 30) else "awareness")
    broad = Customer.objects.roots().matching("eva").filter(stage="retention")
    page = paginate(broad, sort=CUSTOMER_SORTS["-id"], limit=5)
    assert [row.name for row in page] == ["Eva 30", "Eva 3"]


def test_a_handle_and_an_old_name_lead_to_the_customer_who_has_them_today(ada: Any) -> None:
    keep, drop = person("Keep", x="1"), person("Wilhelmine Drop", email="mina@example.com")
    record = merge_customers(keep=keep, drop=drop, by=ada)
    for text in ("mina@example.com", "wilhelmine", f"#{drop.pk}"):
        assert list(Customer.objects.roots().matching(text)) == [keep], text
    undo_merge(record=record, by=ada)
    for text in ("mina@example.com", "wilhelmine", f"#{drop.pk}"):
        assert list(Customer.objects.roots().matching(text)) == [drop], text


def test_short_words_stay_short_whatever_the_index_knows() -> None:
    assert core_finding.SHORT == 3
    person("Li Wei")
    person("Ali Weiss")
    assert found("li") == ["Li Wei"]
    assert found("li wei") == ["Li Wei"]
