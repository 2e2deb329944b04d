"""Finding who may be one customer: what is compared, which pairs come out, and what staff's answers do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from core.jobs import run_job
from crm.linkage import blocking, suspects
from crm.linkage.engine import connect
from crm.linkage.evidence import clues, in_words, sentence
from crm.linkage.jobs import start_search
from crm.linkage.normalizing import (
    address_columns,
    fold,
    name_words,
    normalize_record,
    repeats_name,
    sound,
    title_words,
)
from crm.linkage.profiles import PERSON
from crm.linkage.search import MARKS_FILE, PAIRS_FILE, add_records, make_table, search
from crm.merging import merge_customers, undo_merge
from crm.models import Customer, Identity, LinkageMark, Suspect

GIVEN = (
    "Eva Lars Karin Nils Maja Hugo Olga Pavel Amara Kofi Yuki Kenji Lucia Diego Chloe Jules Nora Emil".split()
)
FAMILY = (
    "Lindqvist Sandberg Kowalski Okonkwo Tanaka Moreau Ferrari Villanueva Schneider Papadopoulos Haugen "
    "Dragomir Oyelaran Szymanski Abernathy Castellano Brandt Whitfield Nakamura Delacroix"
).split()


def customer(name: str, *handles: tuple[str, str], **facts: Any) -> Customer:
    made = Customer.objects.create(name=name, **facts)
    for network, value in handles:
        Identity.objects.create(
            network=network, external_id=value, handle=value, customer=made, home_customer=made
        )
    return made


def found_by(folder: Path, *, everybody: bool = False) -> set[tuple[int, int]]:
    """Search in this process, keep what was found, and give the pairs that wait."""
    import json

    search(folder, everybody=everybody, tell=lambda *told: None)
    pairs = [json.loads(line) for line in (folder / PAIRS_FILE).read_text().splitlines()]
    suspects.keep(pairs, folder / MARKS_FILE)
    return set(Suspect.objects.waiting().values_list("low_id", "high_id"))


def pair(low: Customer, high: Customer, **evidence: tuple[str, float]) -> dict[str, Any]:
    """A pair as a search gives it."""
    said = evidence or {"name": ("same", 11.0)}
    return {"low": low.pk, "high": high.pk, "probability": 0.97, "evidence": said}


@pytest.fixture
def town(db: None) -> list[Customer]:
    """Two hundred people who have nothing to do with each other."""
    chance, people = Random(5), []
    names = [f"{given} {family}" for given in GIVEN for family in FAMILY]
    for number, name in enumerate(chance.sample(names, 200)):
        mail = ("email", f"{chance.choice(GIVEN).lower()}x{number}{chance.randrange(10**6)}@example.org")
        phone = ("phone", f"+4670{chance.randrange(10**7):07d}")
        city = chance.choice(("Lund", "Berlin", "Lyon", "Leeds", "Porto", "Turku"))
        people.append(customer(name, mail, phone, city=city, birth_year=chance.randrange(1940, 2005)))
    return people


@pytest.fixture
def marks(db: None, tmp_path: Path) -> Path:
    """A search that looked at nobody."""
    file = tmp_path / "none.csv"
    file.write_text("")
    return file


# Values made comparable


@given(st.permutations(["Eva", "Maria", "Lindqvist"]))
def test_the_order_of_a_name_does_not_matter(words: list[str]) -> None:
    assert normalize_record(PERSON, {"name": " ".join(words)})["name"] == "eva lindqvist maria"


@given(st.text(max_size=60))
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.text(max_size=60), st.lists(st.text(max_size=40), max_size=3))
def test_any_text_can_be_normalized(text: str, values: list[str]) -> None:
    columns = normalize_record(PERSON, {"name": text, "addresses": values, "phones": values, "city": text})
    assert columns["name"] is None or columns["name"].strip()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Lindqvist, Eva", "Eva Lindqvist"),
        ("ÉVA  LINDQVIST", "eva lindqvist"),
        ("Dr. Eva Lindqvist", "Eva Lindqvist"),
        ("Søren Weiß", "Soren Weiss"),
        ("O'Brien, Pat", "Pat OBrien"),
    ],
)
def test_names_are_read_the_same(one: str, other: str) -> None:
    assert sorted(name_words(one)) == sorted(name_words(other))


def test_a_title_alone_is_a_name() -> None:
    assert name_words("Dame") == ("dame",)


def test_an_organization_is_known_without_its_legal_form() -> None:
    assert title_words("Acme Trading GmbH & Co. KG") == ("acme", "trading")


@pytest.mark.parametrize(("one", "other"), [("Philip", "Filip"), ("Erik", "Eric"), ("Meyer", "Maier")])
def test_names_that_sound_alike_have_one_code(one: str, other: str) -> None:
    assert sound(fold(one)) == sound(fold(other))


@pytest.mark.parametrize(
    ("key", "repeats"),
    [("evalind", True), ("elind", True), ("lindeva", True), ("el", True), ("evalind83", False),
     ("skyrider", False), ("evalindberg", False)],
)  # fmt: skip
def test_an_address_that_only_repeats_the_name_is_known(key: str, repeats: bool) -> None:
    assert repeats_name(key, ("eva", "lind")) is repeats


def test_an_address_is_sorted_by_what_it_tells() -> None:
    told = ["eva.lind@x.org", "Eva_Lind_83@y.org", "@sky.rider", "info@lind.org", "sky.rider+news@z.org"]
    columns = address_columns("a", told, ("eva", "lind"))
    assert columns["a_keys"] == ["skyrider"]
    assert columns["a_dated"] == ["evalind83"]
    assert columns["a_plain"] == ["evalind"]
    assert "info@lind.org" not in columns["a_mails"]


# Blocks


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Any]:
    con = connect(400, str(tmp_path))
    yield con
    con.close()


def test_a_name_that_hundreds_bear_costs_no_pairs(engine: Any) -> None:
    names = make_table(engine, PERSON)
    rows = [
        {"id": number, **normalize_record(PERSON, {"name": "Maria Garcia", "birth_year": 1900 + number // 2})}
        for number in range(150)
    ]
    add_records(engine, PERSON, names, rows)
    engine.execute("ALTER TABLE all_person RENAME TO records")
    pairs = blocking.block(engine, PERSON, touched_only=False)
    # those born in one year meet, all others would be 11,175 pairs
    assert pairs == 75


def test_only_the_touched_are_compared(engine: Any) -> None:
    names = make_table(engine, PERSON)
    rows = [{"id": n, **normalize_record(PERSON, {"name": "Eva Lind"})} for n in range(10)]
    add_records(engine, PERSON, names, rows)
    engine.execute("ALTER TABLE all_person RENAME TO records")
    engine.execute("INSERT INTO touched VALUES (3)")
    assert blocking.block(engine, PERSON, touched_only=True) == 9
    low, high = zip(*engine.execute("SELECT join_key_l, join_key_r FROM pairs").fetchall(), strict=True)
    assert all(3 in one for one in zip(low, high, strict=True))


# Searching


def test_doubles_are_found_and_namesakes_are_not(town: list[Customer], tmp_path: Path) -> None:
    first = customer(
        "Ingrid Aldergren", ("email", "nightowl77x@one.org"), ("phone", "+46701234567"),
        city="Lund", birth_year=1977,
    )  # fmt: skip
    turned = customer("Aldergren, Ingrid", ("email", "night.owl77x@two.org"), city="Lund")
    wrong_digit = customer("I. Aldergren", ("phone", "+46701234576"), city="Lund", birth_year=1977)
    one = customer(
        "Peter Brunwald", ("email", "pb@one.org"), ("phone", "+46702223344"), city="Lund", birth_year=1950
    )
    namesake = customer(
        "Peter Brunwald", ("email", "quietsea@two.org"), ("phone", "+46709998877"), city="Porto",
        birth_year=1991,
    )  # fmt: skip
    found = found_by(tmp_path)
    assert (first.pk, turned.pk) in found
    assert (first.pk, wrong_digit.pk) in found
    assert (one.pk, namesake.pk) not in found
    assert len(found) <= 5


def test_organizations_are_compared_with_organizations(town: list[Customer], tmp_path: Path) -> None:
    acme = customer("Acme Trading GmbH", ("email", "hello@acme-trading.eu"), kind="organization", city="Bonn")
    again = customer("ACME Trading", ("email", "billing@acme-trading.eu"), kind="organization", city="Bonn")
    customer("Acme Trading", ("email", "acmetrading@acme-trading.eu"), city="Bonn")
    found = found_by(tmp_path)
    assert [one for one in found if acme.pk in one or again.pk in one] == [(acme.pk, again.pk)]


def test_an_order_mail_counts_as_an_address(town: list[Customer], tmp_path: Path) -> None:
    buyer = customer("", ("shop", "velvetfox@example.net"))
    writer = customer("Ingrid Aldergren", ("email", "velvetfox@other.example"))
    Identity.objects.filter(customer=buyer).update(name="Ingrid Aldergren")
    assert (buyer.pk, writer.pk) in found_by(tmp_path)


def test_a_second_search_looks_at_those_who_changed(town: list[Customer], tmp_path: Path) -> None:
    first = search(tmp_path, everybody=False, tell=lambda *told: None)
    found_by(tmp_path)
    assert LinkageMark.objects.count() == len(town)
    Customer.objects.filter(pk=town[0].pk).update(city="Elsewhere")
    new = customer("Ingrid Aldergren", ("email", "new@example.org"))
    counts = search(tmp_path, everybody=False, tell=lambda *told: None)
    assert counts["changed"] == 2
    assert counts["person pairs"] < first["person pairs"] / 10
    changed = {int(line.partition(",")[0]) for line in (tmp_path / MARKS_FILE).read_text().splitlines()}
    assert changed == {town[0].pk, new.pk}


def test_a_pair_that_no_longer_agrees_is_dropped(town: list[Customer], tmp_path: Path) -> None:
    one = customer("Ingrid Aldergren", ("email", "velvetfox@one.org"), city="Lund")
    other = customer("Ingrid Aldergren", ("email", "velvetfox@two.org"), city="Lund")
    assert (one.pk, other.pk) in found_by(tmp_path)
    Identity.objects.filter(customer=other).update(external_id="b@two.org", handle="b@two.org")
    Customer.objects.filter(pk=other.pk).update(name="Umberto Zanetti", city="Porto")
    assert (one.pk, other.pk) not in found_by(tmp_path)
    assert not Suspect.objects.filter(low=one, high=other).exists()


@pytest.mark.django_db(transaction=True)
def test_the_job_searches_in_a_process_of_its_own(ada: Any) -> None:
    one = customer("Ingrid Aldergren", ("email", "velvetfox@one.org"), city="Lund", birth_year=1980)
    other = customer("Ingrid Aldergren", ("email", "velvetfox@two.org"), city="Lund", birth_year=1980)
    job = run_job(start_search(by=ada, enqueue=False).pk)
    assert job is not None and (job.state, job.error) == ("done", "")
    assert job.result["counts"]["customers"] == 2
    assert Suspect.objects.get().low_id == one.pk and Suspect.objects.get().high_id == other.pk


@pytest.mark.django_db(transaction=True)
def test_a_child_that_dies_fails_the_job_without_quoting_anybody(
    ada: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "no.such.settings")
    job = run_job(start_search(by=ada, enqueue=False).pk)
    assert job is not None and job.state == "failed"
    assert "ModuleNotFoundError" in job.error and "no.such" not in job.error


# Keeping and answering


def test_evidence_keeps_both_values_and_says_them(ada: Any, marks: Path) -> None:
    one = customer("Eva Lind", ("phone", "+46701234567"), city="Lund")
    other = customer("Eva Lindh", ("phone", "+46701234576"), city="Malmö")
    said = {
        "name": ("typo", 9.3),
        "phones": ("typo", 14.0),
        "city": ("other", -3.4),
        "country": ("same", 0.2),
    }
    suspects.keep([pair(one, other, **said)], marks)
    evidence = Suspect.objects.get().evidence
    assert {"field": "phones", "left": "+46701234567", "right": "+46701234576", "level": "typo",
            "weight": 14.0} in evidence  # fmt: skip
    assert (
        sentence(evidence) == "Phone numbers one digit apart and names one letter apart; the cities differ."
    )
    assert [(one.label, one.side) for one in clues(evidence)] == [
        ("Phone", "for"), ("Name", "for"), ("City", "against"), ("Country", "neither"),
    ]  # fmt: skip


def test_the_address_that_agrees_is_the_one_shown(marks: Path) -> None:
    one = customer("Eva", ("email", "eva@one.org"), ("email", "skyrider@one.org"))
    other = customer("Eva", ("instagram", "@sky.rider"), ("email", "evas@two.org"))
    suspects.keep([pair(one, other, addresses=("key", 15.0))], marks)
    (clue,) = Suspect.objects.get().evidence
    assert (clue["left"], clue["right"]) == ("skyrider@one.org", "@sky.rider")


def test_probability_is_said_in_words() -> None:
    assert [in_words(p) for p in (0.9999, 0.99, 0.92, 0.81)] == [
        "Almost certainly one", "Very likely one", "Likely one", "Perhaps one",
    ]  # fmt: skip


def test_a_rejected_pair_never_comes_again(ada: Any, marks: Path) -> None:
    one, other = customer("Eva Lind"), customer("Eva Lind")
    suspects.keep([pair(one, other)], marks)
    suspects.reject(suspect=Suspect.objects.get(), by=ada)
    suspects.keep([pair(one, other)], marks)
    assert not Suspect.objects.waiting().exists()
    assert Suspect.objects.get().state == "rejected"


def test_a_rejected_pair_never_comes_again_after_both_were_merged(ada: Any, marks: Path) -> None:
    one, other, third, fourth = (customer("Eva Lind") for _turn in range(4))
    suspects.keep([pair(third, fourth)], marks)
    suspects.reject(suspect=Suspect.objects.get(), by=ada)
    merge_customers(keep=one, drop=third, by=ada)
    record = merge_customers(keep=other, drop=fourth, by=ada)
    suspects.keep([pair(one, other)], marks)
    assert not Suspect.objects.waiting().exists()
    undo_merge(record=record, by=ada)
    suspects.keep([pair(one, other)], marks)
    assert Suspect.objects.waiting().count() == 1


def test_a_pair_put_off_comes_back_on_its_day(ada: Any, marks: Path, time_machine: Any) -> None:
    one, other = customer("Eva Lind"), customer("Eva Lind")
    suspects.keep([pair(one, other)], marks)
    suspects.put_off(suspect=Suspect.objects.get(), by=ada)
    suspects.keep([pair(one, other)], marks)
    assert not Suspect.objects.waiting().exists()
    time_machine.move_to(timezone.now() + timedelta(days=31), tick=True)
    assert Suspect.objects.waiting().count() == 1


def test_an_answer_can_be_taken_back(ada: Any, marks: Path) -> None:
    suspects.keep([pair(customer("Eva Lind"), customer("Eva Lind"))], marks)
    suspects.reject(suspect=Suspect.objects.get(), by=ada)
    suspects.reopen(suspect=Suspect.objects.get(), by=ada)
    assert Suspect.objects.waiting().count() == 1


def test_nobody_answers_twice(ada: Any, marks: Path) -> None:
    suspects.keep([pair(customer("Eva Lind"), customer("Eva Lind"))], marks)
    suspects.reject(suspect=Suspect.objects.get(), by=ada)
    with pytest.raises(suspects.AlreadyAnswered):
        suspects.confirm(suspect=Suspect.objects.get(), by=ada)


def test_a_confirmed_pair_is_merged_into_the_older_record(ada: Any, marks: Path) -> None:
    one, other = customer("Eva Lind"), customer("Eva Lind", city="Lund")
    suspects.keep([pair(one, other)], marks)
    suspects.confirm(suspect=Suspect.objects.get(), by=ada)
    other.refresh_from_db()
    assert other.merged_into_id == one.pk
    assert Suspect.objects.get().state == "confirmed"


def test_records_that_differ_are_not_merged_at_once(ada: Any, marks: Path) -> None:
    suspects.keep([pair(customer("Eva Lind", city="Lund"), customer("Eva Lind", city="Malmö"))], marks)
    with pytest.raises(suspects.Conflicting):
        suspects.confirm(suspect=Suspect.objects.get(), by=ada)
    assert not Customer.objects.filter(merged_into__isnull=False).exists()


def test_a_pair_merged_elsewhere_is_gone(ada: Any, marks: Path) -> None:
    one, other, third = customer("Eva Lind"), customer("Eva Lind"), customer("Eva Lind")
    suspects.keep([pair(one, other), pair(one, third)], marks)
    merge_customers(keep=third, drop=other, by=ada)
    assert [found.high_id for found in Suspect.objects.waiting()] == [third.pk]
    suspects.keep([pair(one, third)], marks)
    assert Suspect.objects.count() == 1


def test_a_customer_who_left_meanwhile_is_not_kept(marks: Path) -> None:
    one, other = customer("Eva Lind"), customer("Eva Lind")
    gone = pair(one, other)
    other.delete()
    suspects.keep([gone], marks)
    assert not Suspect.objects.exists()


def test_a_pair_goes_with_the_customer(marks: Path) -> None:
    one, other = customer("Eva Lind"), customer("Eva Lind")
    suspects.keep([pair(one, other)], marks)
    other.delete()
    assert not Suspect.objects.exists()
