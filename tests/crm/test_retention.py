"""Old rows go by their rules, batch by batch; what stays stays whole."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import AuditEntry
from core.jobs import run_job
from core.models import Job
from core.privacy import retention_kinds
from crm.looks import note_look
from crm.models import Customer, Erasure, RetentionRule
from crm.privacy import retention
from crm.privacy.retention import rules, start_purge, sweep
from engagement import retention as said
from engagement.conversations import set_status
from engagement.ingest import ingest
from engagement.models import (
    Attachment,
    ChatVisitor,
    Conversation,
    Interaction,
    MailContent,
    RawEvent,
    Status,
)
from tests.engagement.events import account, inbound

pytestmark = pytest.mark.django_db

NOW = timezone.now()


def switch_on(kind: str, days: int = 30) -> None:
    RetentionRule.objects.update_or_create(kind=kind, defaults={"days": days, "is_on": True})


def purge() -> dict[str, int]:
    job = run_job(start_purge().pk)
    assert job is not None and job.state == "done", job and job.error
    return dict(job.result["rows"])


def old(days: int = 60) -> datetime:
    return NOW - timedelta(days=days)


def test_what_nobody_set_stays_but_for_what_was_always_short_lived() -> None:
    assert {rule.kind.name for rule in rules() if rule.is_on} == {"raw_events", "exports", "imports"}


def test_resolved_conversations_go_and_open_ones_stay(ada: Any) -> None:
    own = account()
    ingest(
        own, [inbound("old", occurred_at=old(), thread="a"), inbound("open", occurred_at=old(), thread="b")]
    )
    ingest(own, [inbound("new", occurred_at=NOW, thread="c")])
    for key in ("old", "new"):
        conversation = Conversation.objects.get(interactions__external_id=key)
        set_status(conversation=conversation, status=Status.RESOLVED, by=ada)
    switch_on("conversations")
    assert purge() == {"conversations": 1}
    assert set(Interaction.objects.values_list("external_id", flat=True)) == {"open", "new"}


def test_visits_mails_and_files_go_and_their_interactions_stay(
    django_capture_on_commit_callbacks: Any,
) -> None:
    own = account()
    ingest(own, [inbound("visit", kind="visit", occurred_at=old()), inbound("mail", occurred_at=old())])
    mail = Interaction.objects.get(external_id="mail")
    MailContent.objects.create(interaction=mail, html="<p>hello</p>")
    stored = default_storage.save("attachments/y", ContentFile(b"file"))
    Attachment.objects.create(interaction=mail, name="y.txt", file=stored)
    for kind in ("visits", "mails", "attachments"):
        switch_on(kind)
    with django_capture_on_commit_callbacks(execute=True):
        assert purge() == {"visits": 1, "mails": 1, "attachments": 1}
    assert list(Interaction.objects.values_list("external_id", flat=True)) == ["mail"]
    kept = Attachment.objects.get()
    assert (kept.name, kept.file.name) == ("y.txt", "") and kept.note
    assert not default_storage.exists(stored)


def test_understood_bodies_go_and_parked_ones_stay() -> None:
    own = account()
    for state in ("done", "parked"):
        RawEvent.objects.create(
            account=own, source="x", delivery_key=str(uuid4()), month=date(2026, 11, 1), state=state,
            body=b"{}", received_at=old(),
        )  # fmt: skip
    assert purge() == {"raw_events": 1}
    assert RawEvent.objects.get().state == "parked"


def test_silent_chat_visitors_go_and_those_who_spoke_stay() -> None:
    own = account()
    ingest(own, [inbound("1")])
    spoke = Customer.objects.get().identities.get()
    for identity in (spoke, None):
        ChatVisitor.objects.create(
            account=own, visitor_id=uuid4(), token_hash=uuid4().hex, identity=identity, seen_at=old()
        )
    switch_on("chat_visitors")
    assert purge() == {"chat_visitors": 1}
    assert ChatVisitor.objects.get().identity == spoke


def test_exports_go_after_a_week_with_their_files() -> None:
    stored = default_storage.save("exports/z.zip", ContentFile(b"PK"))
    Job.objects.create(
        kind="export_customer", title="x", state="done", finished_at=old(8), result={"file": stored}
    )
    assert purge() == {"exports": 1}
    assert not default_storage.exists(stored)


def test_old_looks_go_and_changes_stay_in_the_trail(ada: Any) -> None:
    customer = Customer.objects.create(name="Eva")
    note_look(customer, by=ada)
    AuditEntry.objects.create(verb="customer.viewed", object_kind="crm.customer", object_id="1", at=old(400))
    AuditEntry.objects.create(verb="customer.updated", object_kind="crm.customer", object_id="1", at=old(400))
    switch_on("looks", 365)
    assert purge() == {"looks": 1}
    assert sorted(AuditEntry.objects.values_list("verb", flat=True)) == [
        "customer.updated",
        "customer.viewed",
    ]


def test_the_trail_gives_way_to_nothing_else(ada: Any) -> None:
    customer = Customer.objects.create(name="Eva")
    note_look(customer, by=ada)
    for attempt in (
        lambda: AuditEntry.objects.all().delete(),
        lambda: AuditEntry.objects.update(object_name="x"),
    ):
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            attempt()
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL rapport.erasing = 'on'")
        AuditEntry.objects.update(verb="x")


def test_results_of_old_jobs_are_blanked_and_their_rows_stay() -> None:
    job = Job.objects.create(kind="rebuild", title="x", state="done", finished_at=old(100), result={"a": 1})
    switch_on("jobs", 90)
    assert purge() == {"jobs": 1}
    job.refresh_from_db()
    assert job.result == {} and job.state == "done"


def test_customers_nobody_heard_from_are_erased() -> None:
    own = account()
    ingest(
        own,
        [
            inbound("old", who="quiet-one-77", occurred_at=old(400)),
            inbound("new", who="loud", thread="b", occurred_at=NOW),
        ],
    )
    Customer.objects.update(created_at=old(500))
    switch_on("customers", 365)
    assert purge() == {"customers": 1}
    assert Customer.objects.get().identities.get().external_id == "loud"
    assert Erasure.objects.get().reason == "retention"


def test_a_purge_goes_in_batches_and_on_after_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(said, "BATCH", 2)
    own = account()
    ingest(own, [inbound(str(n), kind="visit", occurred_at=old()) for n in range(5)])
    switch_on("visits")
    assert purge() == {"visits": 5}


def test_the_purge_is_due_once_a_day() -> None:
    morning = datetime(2026, 11, 22, 4, 31, tzinfo=UTC)
    assert not sweep(morning - timedelta(minutes=2))
    Job.objects.all().delete()
    assert sweep(timezone.now().replace(hour=5))
    assert not sweep(timezone.now().replace(hour=6))


def test_each_kind_counts_what_it_would_delete_up_to_a_cap() -> None:
    own = account()
    ingest(own, [inbound(str(n), kind="visit", occurred_at=old()) for n in range(5)])
    kinds = {kind.name: kind for kind in retention_kinds()}
    assert kinds["visits"].count(old(30), 100) == 5
    assert kinds["visits"].count(old(30), 3) == 3
    assert all(kind.count(old(30), 1) <= 1 for kind in kinds.values())
    assert retention.MOST_COUNTED == 10_000
