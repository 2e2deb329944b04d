"""Pages of imports: who may, the way from a file to its undoing, and what is refused."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from core.jobs import run_job
from core.models import ImportPreset, ImportRun, Workspace
from crm.models import Customer
from tests.api import Caller, assert_pinned
from tests.crm.importing import both, people, store, upload

pytestmark = pytest.mark.django_db
EVA = "7,Eva Lind,eva@example.org,,Lund,,,"
MAY = {"ada", "max", "mia"}


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.tasks.run_job_task.apply_async", lambda *given, **options: None)
    Workspace.current()


@pytest.fixture
def cast(ada: Any, max: Any, amy: Any, mia: Any, vic: Any) -> dict[str, Any]:
    return {"ada": ada, "max": max, "amy": amy, "mia": mia, "vic": vic}


def post_file(browser: Any, content: bytes, name: str = "people.csv", **more: str) -> Any:
    file = SimpleUploadedFile(name, content)
    return browser.post(reverse("crm:import"), {"file": file, "kind": "", "source": "desk", **more})


def act(browser: Any, run: ImportRun, action: str) -> Any:
    return browser.post(reverse("crm:import-act", args=[run.pk, action]))


def work(run: ImportRun) -> None:
    run.refresh_from_db()
    assert run.job_id
    job = run_job(run.job_id)
    assert job and job.state == "done", job and job.error
    run.refresh_from_db()


def test_pages_open_to_those_who_may_import(cast: Any, anonymous: Any, signed_in: Any) -> None:
    waiting, ran = upload(people(EVA), cast["ada"]), upload(people(EVA), cast["ada"])
    both(ran)
    pages = [
        reverse("crm:import"),
        reverse("crm:import-map", args=[waiting.pk]),
        reverse("crm:import-run", args=[ran.pk]),
    ]
    for url in pages:
        for name, user in cast.items():
            assert signed_in(user).get(url).status_code == (200 if name in MAY else 403), (url, name)
        assert anonymous.get(url).status_code == 302


@pytest.mark.parametrize("action", ["check", "run", "pause", "undo"])
def test_nobody_else_acts_on_an_import(action: str, cast: Any, anonymous: Any, signed_in: Any) -> None:
    run = upload(people(EVA), cast["ada"])
    for name in ("amy", "vic"):
        assert act(signed_in(cast[name]), run, action).status_code == 403
    assert act(anonymous, run, action).status_code == 302
    run.refresh_from_db()
    assert run.state == "uploaded"


def test_from_a_spreadsheet_to_its_undoing(mia: Any, signed_in: Any) -> None:
    book, out = openpyxl.Workbook(), io.BytesIO()
    for row in (
        ["Customers"],
        [],
        ["Nr", "Name", "E-mail"],
        [1, "Eva Lind", "eva@example.org"],
        [2, "Bad", "x"],
    ):
        book.active.append(row)
    book.save(out)
    browser = signed_in(mia)
    answer = post_file(browser, out.getvalue(), "Kunden (final).xlsx")
    run = ImportRun.objects.get()
    assert answer["Location"] == reverse("crm:import-map", args=[run.pk])
    page = browser.get(answer["Location"]).content.decode()
    assert "eva@example.org" in page and "names in row 3" in page
    given = {
        "column-0": "id",
        "column-1": "name",
        "column-2": "email",
        "source": "Kartei",
        "preset": "Kartei",
    }
    answer = browser.post(answer["Location"], given)
    assert answer["Location"] == reverse("crm:import-run", args=[run.pk])
    work(run)
    page = browser.get(answer["Location"]).content.decode()
    assert "Nothing is stored yet" in page and "is not an e-mail address" in page
    assert not Customer.objects.exists()
    act(browser, run, "run")
    work(run)
    assert Customer.objects.get().name == "Eva Lind"
    file = b"".join(browser.get(reverse("crm:import-rejected", args=[run.pk])).streaming_content).decode()
    assert "2,Bad,x,5," in file
    act(browser, run, "undo")
    work(run)
    assert not Customer.objects.exists()
    assert "1 rows taken back" in browser.get(answer["Location"]).content.decode()
    assert ImportPreset.objects.get().source == "kartei"


def test_a_mapping_without_anything_to_know_customers_by_says_so(mia: Any, signed_in: Any) -> None:
    run = upload(people(EVA), mia)
    answer = signed_in(mia).post(
        reverse("crm:import-map", args=[run.pk]), {"column-1": "name", "source": "x"}
    )
    assert answer.status_code == 422
    assert "customers are known by these" in answer.content.decode()


def test_another_row_of_names_and_a_preset_can_be_chosen(mia: Any, signed_in: Any) -> None:
    run = upload("Some title,x\n" + people(EVA), mia)
    browser = signed_in(mia)
    url = reverse("crm:import-read", args=[run.pk])
    browser.post(url, {"kind": "import_customers", "sheet": "", "header": "0"})
    run.refresh_from_db()
    assert run.shape["header"] == 0
    browser.post(url, {"kind": "import_customers", "sheet": "", "header": "2"})
    run.refresh_from_db()
    assert run.shape["columns"][0] == "Id"
    browser.post(url, {"preset": "chatwoot-contacts"})
    run.refresh_from_db()
    assert (run.source, run.mapping["Id"]) == ("chatwoot", "id")


@pytest.mark.parametrize(
    ("content", "told"), [(b"", "empty"), (b"%PDF-1.7", "PDF"), (b"PK\x03\x04x", "damaged")]
)
def test_what_cannot_be_read_is_refused_and_not_kept(
    content: bytes, told: str, mia: Any, signed_in: Any, settings: Any
) -> None:
    answer = post_file(signed_in(mia), content, "people.csv")
    assert answer.status_code == 422 and told in answer.content.decode()
    assert not ImportRun.objects.exists()
    assert not [path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()]


def test_a_full_disk_is_said_before_the_file_is_kept(
    mia: Any, signed_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.import_files.HEADROOM", 1 << 62)
    answer = post_file(signed_in(mia), people(EVA).encode())
    assert "no room" in answer.content.decode()


def test_real_customers_never_mix_with_the_demo(mia: Any, signed_in: Any) -> None:
    run = upload(people(EVA), mia)
    Workspace.objects.update(demo_since=timezone.now())
    browser = signed_in(mia)
    assert "remove the demo first" in browser.get(reverse("crm:import")).content.decode()
    post_file(browser, people(EVA).encode())
    assert ImportRun.objects.count() == 1
    act(browser, run, "run")
    run.refresh_from_db()
    assert run.state == "uploaded"


def test_an_import_whose_worker_died_for_good_can_go_on(mia: Any, signed_in: Any) -> None:
    run = upload(people(EVA), mia)
    browser = signed_in(mia)
    act(browser, run, "run")
    run.refresh_from_db()
    run.job.state = "parked"
    run.job.save()
    assert "Go on" in browser.get(reverse("crm:import-run", args=[run.pk])).content.decode()
    act(browser, run, "run")
    work(run)
    assert run.counts["new"] == 1


def test_a_difference_to_the_dry_run_is_said(mia: Any, signed_in: Any) -> None:
    first, second = upload(people(EVA), mia), upload(people(EVA), mia)
    browser = signed_in(mia)
    act(browser, first, "check")
    work(first)
    store(second)
    act(browser, first, "run")
    work(first)
    page = browser.get(reverse("crm:import-run", args=[first.pk])).content.decode()
    assert "The counts differ from the dry run" in page


def test_the_list_takes_the_same_number_of_statements_for_many_imports(mia: Any, signed_in: Any) -> None:
    browser, url = signed_in(mia), reverse("crm:import")

    def statements() -> int:
        with CaptureQueriesContext(connection) as found:
            assert browser.get(url).status_code == 200
        return len(found)

    upload(people(EVA), mia)
    statements()
    few = statements()
    for _ in range(5):
        upload(people(EVA), mia)
    assert statements() == few


def test_the_command_imports_and_says_what_it_did(tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "people.csv"
    file.write_text(people(EVA, "1,X,bad,,,,,"))
    call_command("import_customers", str(file), "--dry-run")
    assert not Customer.objects.exists()
    assert "1 new" in capsys.readouterr().out
    call_command("import_customers", str(file), "--source", "desk")
    assert "row 3: email: 'bad' is not an e-mail address" in capsys.readouterr().out
    assert Customer.objects.get().origins["city"]["source"] == "import:desk"
    with pytest.raises(CommandError, match="No such file"):
        call_command("import_customers", str(tmp_path / "absent.csv"))


# The API


def test_an_import_over_the_api(ada: Any, amy: Any) -> None:
    api = Caller(ada)
    made = api.post("imports/", {"name": "people.csv", "content": people(EVA), "source": "desk"})
    assert (made.status_code, made.json()["mapping"]["E-mail"]) == (201, "email")
    path = f"imports/{made.json()['id']}/"
    assert api.patch(path, {"mapping": {"Name": "name"}}).status_code == 400
    assert api.patch(path, {"mapping": {"Id": "id", "Name": "name"}}).json()["mapping"] == {
        "Id": "id",
        "Name": "name",
    }
    assert api.post(f"{path}check/").status_code == 202
    run = ImportRun.objects.get()
    work(run)
    assert api.get(path).json()["check_counts"] == {"new": 1, "rows": 1}
    assert api.post(f"{path}undo/").status_code == 409
    assert api.post(f"{path}run/").status_code == 202
    assert api.post(f"{path}run/").status_code == 409
    work(run)
    assert api.post(f"{path}undo/").status_code == 202
    work(run)
    assert not Customer.objects.exists()
    assert Caller(amy, maker=ada).get(path).status_code == 403
    assert api.post("imports/", {"name": "x.csv", "content": "  "}).status_code == 400


def test_the_list_of_imports_takes_a_fixed_number_of_statements(ada: Any) -> None:
    upload(people(EVA), ada)
    assert_pinned("api:import-list", Caller(ada), "imports/")
