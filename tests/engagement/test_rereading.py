"""Reading texts again: what differs is written, what people said stays, and a killed run goes on."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import call_command

from core.jobs import JobIsOpen, run_job
from core.models import Job, JobState, Workspace
from crm.models import CustomerTouch
from engagement import rereading
from engagement.ingest import ingest
from engagement.models import Conversation, DirtyDay, Interaction
from engagement.moods import MOOD_VALUE, set_mood
from engagement.rereading import preview, start_reread
from tests.engagement.events import account, inbound, outbound

pytestmark = pytest.mark.django_db
TEXTS = [
    "I love this kettle, it is wonderful!",
    "Where is my order? It never arrived.",
    "The lid is broken, this is terrible.",
    "Do you ship to Norway?",
    "Thank you so much for the quick help!",
]


@pytest.fixture
def shop(db):
    Workspace.current()
    Workspace.objects.update(languages=["en"])
    shop = account()
    lines = [
        inbound(f"k{n}", text=text, minute=n, who=f"p{n}", thread=f"t{n}") for n, text in enumerate(TEXTS)
    ]
    ingest(shop, [*lines, outbound("ours", minute=9, thread="t0", text="You are welcome, terrible weather")])
    return shop


def spoil(*keys: str) -> None:
    """As if an older reader had read these."""
    Interaction.objects.filter(external_id__in=keys).update(
        language="fr", sentiment=0.0, reason="other", topics=["nonsense"], reader=0
    )
    CustomerTouch.objects.all().delete()
    DirtyDay.objects.all().delete()


def readings() -> list[tuple]:
    rows = Interaction.objects.order_by("external_id")
    return list(rows.values_list("external_id", "language", "sentiment", "reason", "topics", "reader"))


def reread(by=None) -> Job:
    done = run_job(start_reread(by=by, enqueue=False).pk)
    assert done is not None and done.state == JobState.DONE, done and done.error
    return done


def test_what_differs_is_written_and_followed(shop, max):
    right = readings()
    spoil("k0", "k2")
    Conversation.objects.update(mood=None)
    job = reread(max)
    assert readings() == right
    assert (job.result["read"], job.result["written"], job.result["changed"]) == (5, 2, 2)
    owners = Interaction.objects.filter(external_id__in=["k0", "k2"]).values_list("customer_id", flat=True)
    assert set(CustomerTouch.objects.values_list("customer_id", flat=True)) == set(owners)
    assert DirtyDay.objects.get().account == shop
    moods = Conversation.objects.filter(mood__isnull=False).values_list(
        "interactions__external_id", flat=True
    )
    assert set(moods) - {"ours"} == {"k0", "k2"}


def test_where_nothing_differs_nothing_is_written(shop):
    CustomerTouch.objects.all().delete()
    job = reread()
    assert (job.result["written"], job.result["changed"]) == (0, 0)
    assert not CustomerTouch.objects.exists()


def test_another_version_alone_touches_nobody(shop):
    Interaction.objects.filter(external_id="k1").update(reader=0)
    CustomerTouch.objects.all().delete()
    job = reread()
    assert (job.result["written"], job.result["changed"]) == (1, 0)
    assert Interaction.objects.get(external_id="k1").reader == 1 and not CustomerTouch.objects.exists()


def test_what_a_person_said_stays(shop, amy):
    line = Interaction.objects.get(external_id="k2")
    set_mood(interaction=line, mood=1, by=amy)
    spoil("k2")
    Interaction.objects.filter(external_id="k2").update(sentiment=MOOD_VALUE)
    reread()
    line.refresh_from_db()
    assert line.sentiment == MOOD_VALUE and line.reason == "complaint" and line.language == "en"


def test_a_killed_run_goes_on_where_it_stood(shop, monkeypatch):
    right = readings()
    spoil(*(f"k{n}" for n in range(5)))
    monkeypatch.setattr(rereading, "AT_ONCE", 2)
    job = start_reread(by=None, enqueue=False)
    real, calls = rereading.write_differences, []

    def dies(differences):
        calls.append(len(differences))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(differences)

    monkeypatch.setattr(rereading, "write_differences", dies)
    with pytest.raises(KeyboardInterrupt):
        run_job(job.pk)
    assert [row[1] for row in readings()[:5]] == ["en", "en", "fr", "fr", "fr"]
    monkeypatch.setattr(rereading, "write_differences", real)
    Job.objects.filter(pk=job.pk).update(lease_until=None)
    done = run_job(job.pk)
    assert readings() == right
    assert (done.result["read"], done.result["written"]) == (5, 5)


def test_one_at_a_time_and_only_for_leads(shop, amy, max):
    with pytest.raises(PermissionDenied):
        start_reread(by=amy)
    start_reread(by=max, enqueue=False)
    with pytest.raises(JobIsOpen):
        start_reread(by=max, enqueue=False)


def test_a_text_that_was_edited_meanwhile_is_left_to_its_edit(shop, monkeypatch):
    spoil("k0")
    real = rereading.read_texts

    def edited_meanwhile(texts, **more):
        Interaction.objects.filter(external_id="k0").update(edited_at="2026-03-03T10:00Z", text="changed")
        return real(texts, **more)

    monkeypatch.setattr(rereading, "read_texts", edited_meanwhile)
    assert reread().result["written"] == 0
    assert Interaction.objects.get(external_id="k0").language == "fr"


def test_the_preview_says_what_would_change_and_writes_nothing(shop, max, amy):
    spoil("k0", "k3")
    before = readings()
    found = preview(by=max)
    assert (found.looked_at, found.changed, found.moods) == (5, 2, 1)
    assert found.parts == {"language": 2, "sentiment": 1, "reason": 2, "topics": 2}
    assert {one.row["text"] for one in found.examples} == {TEXTS[0], TEXTS[3]}
    assert readings() == before
    with pytest.raises(PermissionDenied):
        preview(by=amy)


def test_the_command_reads_again(shop):
    spoil("k0")
    out = StringIO()
    call_command("reread", stdout=out)
    assert "read 5" in out.getvalue() and "changed 1" in out.getvalue()
