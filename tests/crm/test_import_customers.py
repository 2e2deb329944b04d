"""Customers from files: what becomes of each row, whose word counts, and taking it back."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.files.storage import default_storage
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from core.import_files import clear_old, forget_customers
from core.import_runs import pause, start_run
from core.imports import importers
from core.jobs import run_job
from core.mapping import apply_preset, guess, preset_for, presets
from core.models import ImportedRow, ImportKey, ImportRun, ImportState, Job, Workspace
from crm.erased import digest, identity_key, store_digests
from crm.identities import IdentityKey
from crm.imports import preparing
from crm.models import Affiliation, Consent, Customer, CustomerNote, CustomerTag, Identity, Tag
from crm.services import Handle, create_customer, update_customer
from tests.crm.importing import both, check, people, rejected, store, undo, upload

pytestmark = pytest.mark.django_db
EVA = "7,Eva Lind,Eva@Example.org,+46 70 123 45 67,Lund,Acme,VIP; loyal,yes"


@pytest.fixture(autouse=True)
def _workspace(monkeypatch: pytest.MonkeyPatch) -> None:
    Workspace.current()
    Workspace.objects.update(country="SE")
    monkeypatch.setattr("core.tasks.run_job_task.apply_async", lambda *given, **options: None)


def snapshot() -> dict[str, list[tuple[Any, ...]]]:
    """Everything an import may touch."""
    tables = {
        Customer: ("id", "kind", "name", "city", "company", "origins", "custom"),
        Identity: ("id", "network", "issuer", "external_id", "customer_id", "home_customer_id"),
        CustomerTag: ("customer_id", "tag__name"),
        Consent: ("identity_id", "purpose", "given"),
        Affiliation: ("person_id", "organization_id", "role"),
    }
    return {
        str(model): list(model.objects.order_by("pk").values_list(*names)) for model, names in tables.items()
    }


def test_a_new_customer_comes_with_everything_the_row_says(ada: Any) -> None:
    run = upload(people(EVA), ada)
    assert both(run) == {"rows": 1, "new": 1}
    eva = Customer.objects.get(kind="person")
    assert (eva.name, eva.city, eva.company) == ("Eva Lind", "Lund", "Acme")
    assert set(eva.identities.values_list("network", "issuer", "external_id")) == {
        ("id", "desk", "7"), ("email", "", "eva@example.org"), ("phone", "", "+46701234567"),
    }  # fmt: skip
    assert eva.origins["city"]["source"] == "import:desk"
    assert set(eva.customer_tags.values_list("tag__name", flat=True)) == {"VIP", "loyal"}
    consent = Consent.objects.get()
    assert (consent.given, consent.source) == (True, "import:desk")
    assert "row 2" in consent.proof
    assert eva.affiliations.get().organization.name == "Acme"


def test_the_same_file_again_changes_nothing(ada: Any) -> None:
    store(upload(people(EVA), ada))
    before = snapshot()
    assert both(upload(people(EVA), ada)) == {"rows": 1, "matched": 1, "unchanged": 1}
    assert snapshot() == before


def test_a_dry_run_writes_nothing_about_customers(ada: Any) -> None:
    create_customer(values={"name": "Eva"}, identities=[Handle("email", "eva@example.org")], by=ada)
    before = snapshot()
    run = upload(people(EVA, "8,Max,max@example.org,,,,,"), ada)
    assert check(run) == {"rows": 2, "new": 1, "matched": 1, "changed": 1, "kept": 1}
    assert snapshot() == before
    assert not ImportedRow.objects.exists() and not ImportKey.objects.exists()
    changes = {what: after for what, _before, after in run.samples["changed"][0]["changes"]}
    assert changes["city"] == "Lund"


def test_a_persons_word_stays_and_is_listed(ada: Any) -> None:
    eva = create_customer(
        values={"name": "Eva L.", "city": "Malmö"}, identities=[Handle("email", "eva@example.org")], by=ada
    )
    run = upload(people(EVA), ada)
    assert both(run)["kept"] == 1
    eva.refresh_from_db()
    assert (eva.name, eva.city, eva.company) == ("Eva L.", "Malmö", "Acme")
    assert ["city", "Malmö", "Lund"] in run.samples["kept"][0]["kept"]


def test_a_yes_in_a_file_does_not_undo_a_refusal(ada: Any) -> None:
    store(upload(people(EVA.replace(",yes", ",no")), ada))
    assert Consent.objects.get().given is False
    run = upload(people(EVA), ada)
    assert both(run) == {"rows": 1, "matched": 1, "unchanged": 1, "kept": 1}
    assert Consent.objects.count() == 1


def test_rows_that_name_two_customers_are_conflicts_and_stay_out(ada: Any) -> None:
    for number, handle in enumerate((Handle("email", "eva@example.org"), Handle("phone", "+46701234567"))):
        create_customer(values={"name": f"N{number}"}, identities=[handle], by=ada)
    run = upload(people(EVA), ada)
    assert both(run) == {"rows": 1, "conflicting": 1}
    assert Customer.objects.count() == 2
    assert "two customers" in rejected(run)


def test_one_id_twice_in_a_file_with_other_values_is_a_conflict(ada: Any) -> None:
    run = upload(people(EVA, EVA, EVA.replace("Lund", "Kiel")), ada)
    assert both(run) == {"rows": 3, "new": 1, "matched": 1, "unchanged": 1, "conflicting": 1}
    assert Customer.objects.get(kind="person").city == "Lund"


def test_a_customer_is_written_once_a_file_even_by_different_handles(ada: Any) -> None:
    create_customer(
        values={"name": "Eva"},
        identities=[Handle("email", "eva@example.org"), Handle("phone", "+46701234567")],
        by=ada,
    )
    run = upload(people(",,eva@example.org,,Lund,,,", ",,,+46701234567,Kiel,,,"), ada)
    assert both(run) == {"rows": 2, "matched": 1, "changed": 1, "conflicting": 1}


def test_names_alone_never_match(ada: Any) -> None:
    create_customer(values={"name": "Eva Lind"}, by=ada)
    assert both(upload(people(EVA, "9,Eva Lind,,,,,,"), ada)) == {"rows": 2, "new": 2}


BAD = {
    ",Eva,,,,,,": "nothing to know this customer by",
    "1,Eva,no address,,,,,": "not an e-mail address",
    "1,Eva,,12,,,,": "phone number",
    '1,Eva,,"4,67012E+10",,,,': "lost digits",
    "1,Eva,e@example.org,,,,,perhaps": "neither yes nor no",
}


@pytest.mark.parametrize("row", BAD)
def test_bad_rows_are_named_and_the_good_ones_come_in(row: str, ada: Any) -> None:
    run = upload(people(row, "2,Max,max@example.org,,,,,"), ada)
    assert both(run) == {"rows": 2, "new": 1, "bad": 1}
    told = rejected(run)
    assert BAD[row] in told and "Max" not in told
    assert told.splitlines()[0].endswith("Row,Reason")


def test_rejected_rows_can_be_mended_and_imported_again(ada: Any) -> None:
    run = upload(people("1,Eva,e@example,+46701234567,,,,"), ada)
    store(run)
    again = rejected(run).replace("e@example,", "e@example.org,")
    assert "'+46701234567" in again, "a spreadsheet would run it"
    assert both(upload(again, ada)) == {"rows": 1, "new": 1}
    assert Identity.objects.filter(network="phone", external_id="+46701234567").exists()


def test_na_and_stray_spaces_say_nothing(ada: Any) -> None:
    both(upload(people("1,  Eva   Lind ,n/a,-,N/A,,,"), ada))
    eva = Customer.objects.get()
    assert (eva.name, eva.city, eva.identities.count()) == ("Eva Lind", "", 1)


def test_whom_an_erasure_took_out_comes_back_only_when_staff_say_so(ada: Any) -> None:
    key = identity_key(IdentityKey("email", "", "eva@example.org"))
    store_digests({digest(key): timezone.now()})
    run = upload(people(EVA), ada)
    assert both(run) == {"rows": 1, "erased": 1}
    assert not Customer.objects.exists()
    run = upload(people(EVA), ada)
    preparing.set_mapping(run, mapping=run.mapping, source="desk", anew=True, by=ada)
    run.refresh_from_db()
    assert both(run) == {"rows": 1, "new": 1}


def test_organizations_are_one_within_their_source_and_file_after_file(ada: Any) -> None:
    store(upload(people(EVA, "8,Max,max@example.org,,,ACME,,"), ada))
    store(upload(people("9,Ida,ida@example.org,,,acme,,"), ada))
    assert Customer.objects.filter(kind="organization").count() == 1
    assert Affiliation.objects.count() == 3
    store(upload(people("10,Jan,jan@example.org,,,acme,,"), ada, source="other"))
    assert Customer.objects.filter(kind="organization").count() == 2


def test_people_are_linked_to_organizations_by_id(ada: Any) -> None:
    organizations = upload(
        '{"id": 5, "name": "Acme", "domain_names": ["acme.com"], "external_id": ""}\n',
        ada,
        source="",
        name="o.json",
    )
    assert organizations.kind == "import_organizations"
    assert both(organizations) == {"rows": 1, "new": 1}
    users = upload(
        '{"id": 1, "name": "Eva", "email": "e@acme.com", "external_id": "", "organization_id": 5}\n',
        ada,
        source="",
    )
    assert (users.options["preset"], users.source) == ("Zendesk, users", "zendesk")
    assert both(users) == {"rows": 1, "new": 1}
    assert Affiliation.objects.get().organization.name == "Acme"


def test_a_page_takes_the_same_number_of_statements_whatever_its_size(ada: Any) -> None:
    def statements(count: int) -> int:
        rows = [f"{count}-{n},N,a{count}-{n}@example.org,,Lund,Acme {n},t{n},yes" for n in range(count)]
        run = upload(people(*rows), ada)
        run = start_run(run, enqueue=False)
        with CaptureQueriesContext(connection) as found:
            run_job(run.job_id)
        assert ImportRun.objects.get(pk=run.pk).counts["new"] == count
        return len([one for one in found.captured_queries if "core_job" not in one["sql"]])

    assert statements(2) == statements(200)


# Going on


def small_pages(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    import dataclasses

    kind = "import_customers"
    monkeypatch.setitem(importers, kind, dataclasses.replace(importers[kind], page=size))


ROWS = [f"{n},Name {n},n{n % 23}@example.org,,City {n % 5},Org {n % 4},t{n % 3}," for n in range(40)]


def test_counts_agree_whatever_the_size_of_a_page(ada: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for size in (1, 7, 100):
        small_pages(monkeypatch, size)
        found.append(check(upload(people(*ROWS), ada)))
    assert found[0] == found[1] == found[2] == both(upload(people(*ROWS), ada))


def test_a_killed_import_goes_on_and_leaves_the_same_rows(ada: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    small_pages(monkeypatch, 7)
    run = upload(people(*ROWS), ada)
    tried = check(run)
    run = start_run(run, enqueue=False)
    take, calls = importers[run.kind].take, []

    class Killed(BaseException):
        """As a SIGKILL: nothing is caught and nothing told."""

    def dies(page: Any) -> Any:
        calls.append(page)
        taken = take(page)  # type: ignore[misc]
        if len(calls) == 3:
            raise Killed
        return taken

    import dataclasses

    monkeypatch.setitem(importers, run.kind, dataclasses.replace(importers[run.kind], take=dies))
    with pytest.raises(Killed):
        run_job(run.job_id)
    run.refresh_from_db()
    assert (run.state, run.cursor) == ("running", {"row": 14})
    Job.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert run_job(run.job_id).state == "done"  # type: ignore[union-attr]
    run.refresh_from_db()
    assert run.counts == tried
    assert ImportedRow.objects.filter(run=run, outcome="new").count() == run.counts["new"]


def test_a_paused_import_stops_after_its_page_and_goes_on(ada: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    small_pages(monkeypatch, 7)
    run = upload(people(*ROWS), ada)
    tried = check(run)
    run = start_run(run, enqueue=False)
    pause(run)
    run_job(run.job_id)
    run.refresh_from_db()
    assert (run.state, run.cursor["row"]) == (ImportState.PAUSED, 7)
    assert store(run) == tried


# Undo


def test_undo_leaves_everything_as_it_was(ada: Any) -> None:
    eva = create_customer(
        values={"name": "Eva", "city": "Malmö"}, identities=[Handle("email", "eva@example.org")], by=ada
    )
    Tag.objects.create(name="vip")
    before = snapshot()
    run = upload(people(EVA, "8,Max,max@example.org,,Kiel,Acme,VIP,yes"), ada)
    both(run)
    assert CustomerTag.objects.filter(customer=eva).count() == 2
    assert undo(run) == {"undone": 2, "kept": 0}
    assert snapshot() == before
    assert run.state == ImportState.UNDONE


def test_undo_puts_back_what_an_earlier_import_said(ada: Any) -> None:
    store(upload(people(EVA), ada))
    before = snapshot()
    run = upload(people(EVA.replace("Lund", "Kiel").replace("VIP", "gold")), ada)
    both(run)
    assert undo(run) == {"undone": 1, "kept": 0}
    assert snapshot() == before


def touch_note(customer: Customer, by: Any) -> None:
    CustomerNote.objects.create(text="called", customer=customer, home_customer=customer, author=by)


def touch_edit(customer: Customer, by: Any) -> None:
    update_customer(customer=customer, values={"city": "Paris"}, by=by)


def touch_import(customer: Customer, by: Any) -> None:
    store(upload(people(EVA.replace("Lund", "Kiel")), by))


@pytest.mark.parametrize("touch", [touch_note, touch_edit, touch_import])
def test_a_new_customer_who_was_changed_since_stays_and_is_listed(touch: Any, ada: Any) -> None:
    run = upload(people(EVA, "8,Max,max@example.org,,,,,"), ada)
    both(run)
    eva = Customer.objects.get(name="Eva Lind")
    touch(eva, ada)
    assert undo(run) == {"undone": 1, "kept": 1}
    assert Customer.objects.filter(pk=eva.pk).exists()
    assert not Customer.objects.filter(name="Max").exists()
    kept = run.rows.get(outcome="kept")
    assert (kept.number, kept.object_id) == (2, eva.pk) and kept.reason


def test_a_changed_customer_who_was_changed_again_stays(ada: Any) -> None:
    store(upload(people(EVA), ada))
    run = upload(people(EVA.replace("Lund", "Kiel")), ada)
    both(run)
    eva = Customer.objects.get(name="Eva Lind")
    update_customer(customer=eva, values={"city": "Paris"}, by=ada)
    assert undo(run) == {"undone": 0, "kept": 1}
    eva.refresh_from_db()
    assert eva.city == "Paris"


# What is kept


def test_the_upload_is_deleted_when_it_was_imported(ada: Any) -> None:
    run = upload(people(EVA), ada)
    path = run.path
    assert default_storage.exists(path)
    both(run)
    assert not default_storage.exists(path) and run.path == ""
    assert not ImportKey.objects.exists()


def test_files_go_after_seven_days(ada: Any, time_machine: Any) -> None:
    waiting, ran = upload(people(EVA), ada), upload(people(",Nobody,,,,,,"), ada)
    store(ran)
    paths = [waiting.path, ran.rejected_path]
    assert clear_old() == 0
    time_machine.move_to(timezone.now() + timedelta(days=8))
    assert clear_old() == 2
    assert not any(default_storage.exists(path) for path in paths)


def test_nothing_of_an_erased_customer_stays(ada: Any) -> None:
    store(upload(people(EVA), ada))
    run = upload(people(EVA.replace("Lund", "Kiel"), "9,X,Eva.Lind@,,,,,"), ada)
    both(run)
    waiting = upload(people(EVA), ada)
    eva = Customer.objects.get(name="Eva Lind")
    assert forget_customers([eva.pk], ["Eva.Lind@"]) == 3
    kept = [*ImportedRow.objects.values_list("before", "reason"), *ImportRun.objects.values_list("samples")]
    assert "Lund" not in str(kept) and "Eva.Lind" not in str(kept)
    waiting.refresh_from_db()
    run.refresh_from_db()
    assert (waiting.path, run.rejected_path) == ("", "")
    assert undo(run)["kept"] == 1


# Matching columns


def test_columns_are_guessed_by_content_where_the_name_says_nothing() -> None:
    samples = {
        "Kontaktweg": ["a@example.org", "b@example.org"],
        "Nr": ["+46 70 123 45 67", "0701234567"],
        "E-mail opt in": ["yes", "no"],
        "Notes": ["likes tea"],
    }
    found = guess(list(samples), samples, importers["import_customers"].targets())
    assert found == {
        "Kontaktweg": "email", "Nr": "phone", "E-mail opt in": "consent.marketing", "Notes": "note",
    }  # fmt: skip


@pytest.mark.parametrize("preset", presets(), ids=lambda one: one.key)
def test_exports_of_other_help_desks_are_known_by_their_columns(preset: Any) -> None:
    columns = [*dict.fromkeys([*preset.mapping, *preset.signature]), "Something else"]
    random.Random(1).shuffle(columns)
    found = preset_for([column.upper() for column in columns], presets())
    assert found is not None
    assert found == preset or set(found.signature) > set(preset.signature)
    targets = {target.key for target in importers[preset.kind].targets()}
    assert set(apply_preset(preset, columns).values()) <= targets


@pytest.mark.parametrize(
    ("mapping", "told"),
    [
        ({"Name": "name"}, "an id, an address"),
        ({"Name": "name", "City": "name", "Id": "id"}, "Two columns"),
        ({"Name": "nonsense", "Id": "id"}, "cannot hold"),
        ({"Nowhere": "name", "Id": "id"}, "no column"),
    ],
)
def test_a_mapping_that_cannot_be_meant_is_refused(mapping: dict[str, str], told: str, ada: Any) -> None:
    run = upload(people(EVA), ada)
    with pytest.raises(ValidationError, match=told):
        preparing.set_mapping(run, mapping=mapping, source="x", by=ada)


def test_a_saved_mapping_is_offered_for_a_file_with_the_same_columns(ada: Any) -> None:
    run = upload(people(EVA), ada)
    preparing.set_mapping(run, mapping={"Id": "id", "City": "name"}, source="odd", by=ada)
    run.refresh_from_db()
    preparing.save_preset(run, name="Odd one", by=ada)
    again = upload(people(EVA), ada, source="")
    assert (again.options["preset"], again.source, again.mapping) == (
        "Odd one",
        "odd",
        {"Id": "id", "City": "name"},
    )


# Orders


def test_orders_are_tried_run_and_taken_back(ada: Any) -> None:
    from crm.models import Order

    head = "order_id,customer_id,placed_at,total,currency\n"
    store(upload(head + "1,b1,2026-03-02T09:00:00Z,20.00,USD\n", ada, source="shop"))
    columns = ("id", "external_id", "total", "base_total", "status", "placed_at", "customer_id")
    before = list(Order.objects.values_list(*columns))
    run = upload(
        head + "1,b1,2026-03-02T09:00:00Z,25.00,USD\n2,b1,2026-03-02T09:00:00Z,5.00,USD\n"
        "2,b1,2026-03-02T09:00:00Z,6.00,USD\n3,b1,soon,6.00,USD\n",
        ada, source="shop",
    )  # fmt: skip
    assert run.kind == "import_orders"
    assert both(run) == {"rows": 4, "new": 1, "matched": 1, "changed": 1, "conflicting": 1, "bad": 1}
    assert undo(run) == {"undone": 2, "kept": 0}
    assert list(Order.objects.values_list(*columns)) == before
