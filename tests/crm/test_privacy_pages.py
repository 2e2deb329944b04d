"""Pages and API about privacy: who may, what they show, and what they leave behind."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry
from benchmarks import _traces
from core.jobs import run_job
from core.models import Job
from crm.models import Customer, Erasure, RetentionRule
from crm.privacy.erasing import start_erasure
from crm.privacy.exporting import start_export
from engagement.ingest import ingest
from personas.models import (
    Persona,
    PersonaMembership,
    Prediction,
    Segment,
    SegmentMembership,
    Traits,
)
from tests.api import Caller
from tests.engagement.events import account, inbound, outbound

pytestmark = pytest.mark.django_db


@pytest.fixture
def eva(db: None) -> Customer:
    ingest(account(), [inbound("1"), outbound("2", staff_name="Amy Agent", text="Dear Eva")])
    return Customer.objects.get()


def archive_of(job: Job) -> zipfile.ZipFile:
    from django.core.files.storage import default_storage

    with default_storage.open(job.result["file"], "rb") as content:
        return zipfile.ZipFile(io.BytesIO(content.read()))


# Export


def test_an_export_tells_everything_and_what_was_inferred(eva: Customer, ada: Any) -> None:
    now = timezone.now()
    persona = Persona.objects.create(name="Careful pourers")
    PersonaMembership.objects.create(
        customer=eva, persona=persona, confidence=0.8, reasons=["writes in the evening"], since=now
    )
    Prediction.objects.create(customer=eva, value_365=120, best_network="instagram", computed_at=now)
    Traits.objects.create(customer=eva, computed_at=now, inbound_30=7)
    rule = {"all": [{"field": "customer.name", "op": "is", "value": "Eva"}]}
    segment = Segment.objects.create(name="Called Eva", rule=rule)
    SegmentMembership.objects.create(segment=segment, customer=eva, version=1, since=now)
    job = run_job(start_export(customer=eva, by=ada).pk)
    assert job is not None and job.state == "done", job and job.error
    archive = archive_of(job)
    read = {
        name: archive.read(f"data/{name}.json").decode()
        for name in ("persona", "predictions", "traits", "segments")
    }
    assert "writes in the evening" in read["persona"] and "Careful pourers" in read["persona"]
    assert "120" in read["predictions"]
    assert "Interactions in the last 30 days" in read["traits"]
    assert json.loads(read["segments"])[0]["why"] == ["whose name is “Eva” (Eva)"]
    said = json.loads(archive.read("data/engagement_interaction.json"))
    assert said[0]["text"] == "hello 1" and "read_sentiment" in said[0]
    assert json.loads(archive.read("data/answers.json"))[0]["by"] == "Amy"
    page = archive.read("index.html").decode()
    assert "Careful pourers" in page and "<script" not in page and "hello 1" in page


def test_an_export_of_a_merged_tree_gives_nobody_else_away(ada: Any, settings: Any, tmp_path: Any) -> None:
    settings.VAR_DIR = tmp_path
    planted = _traces.plant()
    public, lines = planted.pages[1]
    bob = replace(lines[1], external_id="c9", text="Nobody asked you, says Bob", occurred_at=timezone.now())
    ingest(public, [bob])
    job = run_job(start_export(customer=planted.customer, by=ada).pk)
    assert job is not None and job.state == "done", job and job.error
    archive = archive_of(job)
    everything = "\n".join(archive.read(name).decode("utf-8", "replace") for name in archive.namelist())
    for place in (
        "text",
        "comment",
        "mail text",
        "note",
        "task",
        "order line",
        "custom field",
        "our answer",
        "file",
    ):
        assert planted.tokens[place] in everything, place
    for other in ("bob@stay.example", "Bob Stay", "bob.public", "I disagree", "See below", "Nobody asked"):
        assert other not in everything, other
    assert any(name.startswith("files/") and name.endswith(".png") for name in archive.namelist())


@pytest.mark.parametrize(
    ("who", "allowed"), [("ada", True), ("max", True), ("amy", False), ("mia", False), ("vic", False)]
)
def test_leads_alone_export_and_erase(
    who: str, allowed: bool, eva: Customer, request: Any, signed_in: Any
) -> None:
    client = signed_in(request.getfixturevalue(who))
    page = client.get(reverse("crm:customer", args=[eva.pk])).content.decode()
    for url in (
        reverse("crm:person-export-start", args=[eva.pk]),
        reverse("crm:customer-erase", args=[eva.pk]),
    ):
        assert (url in page) is allowed
    assert client.get(reverse("crm:customer-erase", args=[eva.pk])).status_code == (200 if allowed else 403)
    started = client.post(reverse("crm:person-export-start", args=[eva.pk]))
    assert started.status_code == (302 if allowed else 403)
    assert Job.objects.filter(kind="export_customer").exists() is allowed


def test_strangers_are_sent_to_sign_in(eva: Customer, anonymous: Any) -> None:
    for name in ("crm:customer-erase", "crm:retention"):
        args = [eva.pk] if name == "crm:customer-erase" else []
        assert anonymous.get(reverse(name, args=args)).status_code == 302


def test_the_archive_is_downloaded_and_each_download_written_down(
    eva: Customer, max: Any, amy: Any, signed_in: Any
) -> None:
    job = start_export(customer=eva, by=max)
    page = reverse("crm:person-export", args=[eva.pk, job.pk])
    file = reverse("crm:person-export-file", args=[eva.pk, job.pk])
    assert signed_in(max).get(file).status_code == 404
    run_job(job.pk)
    assert file in signed_in(max).get(page).content.decode()
    answer = signed_in(max).get(file)
    assert b"".join(answer.streaming_content)[:2] == b"PK"
    assert answer["Content-Disposition"].endswith(f'"customer-{eva.pk}.zip"')
    assert signed_in(amy).get(file).status_code == 403
    verbs = set(AuditEntry.objects.filter(object_id=str(eva.pk)).values_list("verb", flat=True))
    assert verbs >= {"customer.exported", "customer.export_downloaded"}


# Erasure


def test_erasing_says_what_goes_and_wants_the_number(eva: Customer, max: Any, signed_in: Any) -> None:
    url = reverse("crm:customer-erase", args=[eva.pk])
    page = signed_in(max).get(url).content.decode()
    assert "Interactions" in page and str(eva.pk) in page
    assert signed_in(max).post(url, {"word": "yes", "reason": "request"}).status_code == 422
    assert not Job.objects.filter(kind="erase_customer").exists()
    answer = signed_in(max).post(url, {"word": str(eva.pk), "reason": "request"})
    job = Job.objects.get(kind="erase_customer")
    assert answer["Location"] == reverse("core:job-detail", args=[job.pk])
    ended = run_job(job.pk)
    assert ended is not None and ended.state == "done", ended and ended.error
    assert not Customer.objects.exists()
    assert Erasure.objects.get().by == max
    shown = signed_in(max).get(reverse("core:job-detail", args=[job.pk]))
    assert shown.status_code == 200 and ">Eva" not in shown.content.decode()
    assert signed_in(max).get(reverse("crm:customer", args=[eva.pk])).status_code == 404


def test_an_erasure_that_died_after_its_commit_deletes_its_files(
    eva: Customer, ada: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.core.files.base import ContentFile
    from django.core.files.storage import default_storage

    from crm.privacy import erasing
    from engagement.models import Attachment, Interaction

    stored = default_storage.save("attachments/x", ContentFile(b"theirs"))
    Attachment.objects.create(interaction=Interaction.objects.get(external_id="1"), name="x", file=stored)
    job = start_erasure(customer=eva, by=ada)

    def die(names: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(erasing, "delete_files", die)
        with pytest.raises(KeyboardInterrupt):
            run_job(job.pk)
    assert default_storage.exists(stored) and not Customer.objects.exists()
    Job.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(minutes=1))
    ended = run_job(job.pk)
    assert ended is not None and ended.state == "done", ended and ended.error
    assert not default_storage.exists(stored)


# Looks


def test_every_look_at_a_customer_is_written_down_without_a_name(
    eva: Customer, amy: Any, max: Any, ada: Any, signed_in: Any
) -> None:
    conversation = eva.conversations.get()
    signed_in(max).get(reverse("crm:customer", args=[eva.pk]))
    signed_in(max).get(reverse("engagement:conversation", args=[conversation.pk]))
    Caller(ada).get(f"customers/{eva.pk}/")
    looks = AuditEntry.objects.filter(verb="customer.viewed", object_id=str(eva.pk))
    assert looks.count() == 3
    for part in ("identities", "notes", "journey", "memberships", "consents", "consents/effective"):
        assert Caller(ada).get(f"customers/{eva.pk}/{part}/").status_code == 200
    assert looks.count() == 9
    signed_in(max).get(reverse("crm:customer-edit", args=[eva.pk]))
    signed_in(max).get(reverse("crm:customer-merge"), {"ids": eva.pk})
    assert looks.count() == 11
    assert set(looks.values_list("object_name", flat=True)) == {""}
    assert "Customer viewed" in signed_in(max).get(reverse("crm:customer", args=[eva.pk])).content.decode()
    assert (
        "Customer viewed" not in signed_in(amy).get(reverse("crm:customer", args=[eva.pk])).content.decode()
    )
    trail = signed_in(max).get(reverse("accounts:audit-list") + f"?object=crm.customer:{eva.pk}")
    assert trail.content.decode().count("Customer viewed") >= 3


# Profiling


def test_staff_take_somebody_out_of_profiles_and_back(
    eva: Customer, amy: Any, vic: Any, signed_in: Any
) -> None:
    url = reverse("crm:profiling-set", args=[eva.pk])
    assert signed_in(vic).post(url, {"refused": "1"}).status_code == 403
    signed_in(amy).post(url, {"refused": "1"})
    eva.refresh_from_db()
    assert eva.profiling_refused
    signed_in(amy).post(url, {"refused": "0"})
    eva.refresh_from_db()
    assert not eva.profiling_refused


# Retention


def test_retention_is_set_by_leads_with_its_line_in_the_trail(max: Any, mia: Any, signed_in: Any) -> None:
    url = reverse("crm:retention")
    assert signed_in(mia).get(url).status_code == 403
    page = signed_in(max).get(url)
    assert page.status_code == 200 and b"Originals of mails" in page.content
    data = {f"{form.prefix}-days": form.initial["days"] for form, _due in page.context["rows"]}
    data |= {"visits-days": "30", "visits-is_on": "on"}
    assert signed_in(max).post(url, data).status_code == 302
    assert RetentionRule.objects.get(kind="visits").days == 30
    assert AuditEntry.objects.get(verb="retention.changed", detail__kind="visits").detail["is_on"]
    assert signed_in(max).post(url, {**data, "visits-days": "0"}).status_code == 422


# API


def test_the_api_exports_and_erases(eva: Customer, ada: Any) -> None:
    api = Caller(ada)
    started = api.post(f"customers/{eva.pk}/export/")
    assert started.status_code == 202
    job = started.json()["id"]
    assert api.get(f"customers/{eva.pk}/export/{job}/").status_code == 409
    run_job(job)
    answer = api.get(f"customers/{eva.pk}/export/{job}/")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/zip")
    assert api.post(f"customers/{eva.pk}/erase/", {"confirm": eva.pk + 1}).status_code == 400
    erasing = api.post(f"customers/{eva.pk}/erase/", {"confirm": eva.pk})
    assert erasing.status_code == 202
    run_job(erasing.json()["id"])
    assert not Customer.objects.exists()
    assert api.get(f"customers/{eva.pk}/export/{job}/").status_code == 404


def test_the_api_sets_retention(ada: Any) -> None:
    api = Caller(ada)
    known = {one["kind"]: one for one in api.get("privacy/retention/").json()["rules"]}
    assert known["raw_events"]["is_on"] and known["raw_events"]["days"] == 30
    answer = api._send("put", "privacy/retention/", {"rules": [{"kind": "mails", "days": 90, "is_on": True}]})
    assert {"kind": "mails", "label": "Originals of mails", "days": 90, "is_on": True} in answer.json()[
        "rules"
    ]
    wrong = api._send("put", "privacy/retention/", {"rules": [{"kind": "x", "days": 90, "is_on": True}]})
    assert wrong.status_code == 400
