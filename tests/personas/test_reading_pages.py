"""The pages and the API about how texts are read: who may, what they show, and what they do."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from analytics.rollups import nightly as roll
from core.delimited import MAX_LINE
from core.models import Job, Workspace
from crm.models import Tag
from engagement.conversations import add_tag
from engagement.ingest import ingest
from engagement.models import Conversation, Interaction, MoodLabel, ReasonTag, TextModel
from engagement.moods import set_mood
from personas.models import Persona, PersonaMembership
from personas.topics import TopicFigure, by_persona
from tests.api import Caller, errors
from tests.engagement.events import START, account, inbound

pytestmark = pytest.mark.django_db
EVERYBODY = {"ada", "max", "amy", "mia", "vic"}
WORKERS = EVERYBODY - {"vic"}
LEADS = {"ada", "max"}


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.tasks.run_job_task.apply_async", lambda *given, **options: None)


@pytest.fixture
def cast(ada: Any, max: Any, amy: Any, mia: Any, vic: Any) -> dict[str, Any]:
    for one in (amy, mia, vic):
        one.refresh_from_db()
    return {"ada": ada, "max": max, "amy": amy, "mia": mia, "vic": vic}


@pytest.fixture
def said(db: None) -> list[Interaction]:
    Workspace.current()
    Workspace.objects.update(languages=["en", "de"])
    texts = [
        "I love this kettle, it works great!",
        "Where is my parcel? It never arrived.",
        "Wo ist mein Paket?",
    ]
    ingest(account(), [inbound(f"k{n}", text=text, thread=f"t{n}", minute=n) for n, text in enumerate(texts)])
    return list(Interaction.objects.order_by("external_id"))


PAGES = [
    ("get", "reading", EVERYBODY),
    ("get", "reading-topics", EVERYBODY),
    ("get", "label-list", WORKERS),
    ("get", "reading-draw", WORKERS),
    ("post", "reading-draw", WORKERS),
    ("get", "reread-preview", LEADS),
    ("post", "reread", LEADS),
    ("post", "reading-train", LEADS),
    ("post", "reason-tags", LEADS),
    ("post", "label-import", LEADS),
]


@pytest.mark.parametrize(("method", "name", "who"), PAGES)
def test_each_page_opens_to_those_who_may(  # noqa: PLR0917
    client, cast, said, method, name, who
):
    url = reverse(f"personas:{name}")
    for person, user in cast.items():
        client.force_login(user)
        answer = getattr(client, method)(url)
        assert (answer.status_code in (200, 302)) is (person in who), (person, answer.status_code)
        assert person in who or answer.status_code == 403
    client.logout()
    assert getattr(client, method)(url).status_code == 302


def test_the_page_says_how_texts_were_read(client, vic, said, amy):
    set_mood(interaction=said[1], mood=-1, by=amy)
    client.force_login(vic)
    page = client.get(reverse("personas:reading")).content.decode()
    assert "of 3 messages of customers" in page and "German" in page and "English" in page
    assert "2 of 3" in page and "rules 1" in page
    assert "0 of 300 labels that can judge a model; 300 are missing" in page
    assert "Read everything again" not in page and "Learn now" not in page


def test_the_page_takes_the_same_statements_however_much_was_said(client, ada, said):
    client.force_login(ada)
    url = reverse("personas:reading")

    def statements() -> int:
        client.get(url)
        with CaptureQueriesContext(
            connection,
        ) as seen:
            assert client.get(url).status_code == 200
        return len(seen)

    before = statements()
    ingest(said[0].account, [inbound(f"m{n}", thread=f"m{n}", minute=60 + n) for n in range(30)])
    for talk in Conversation.objects.order_by("pk")[:12]:
        add_tag(conversation=talk, name=f"tag {talk.pk % 5}", by=ada)
    MoodLabel.objects.bulk_create(
        MoodLabel(text=f"t {n}", mood=0, language=["en", "fr", "de"][n % 3], source="import")
        for n in range(9)
    )
    assert statements() == before


def test_a_stale_reader_is_told(client, max, said):
    row = TextModel(kind="sentiment", language="en", version=2, labels=400, is_used=True, parameters=b"x")
    row.figures = {"r": 0.9, "rules_r": 0.8, "f1": 0.7, "rules_f1": 0.6, "judged": 400, "folds": 5}
    row.figures |= {"r_folds": [0.9] * 5, "rules_r_folds": [0.8] * 5, "moods": {}}
    row.save()
    client.force_login(max)
    page = client.get(reverse("personas:reading")).content.decode()
    assert "2 of 3 would be read by another reader today" in page


def test_a_drawn_message_is_judged_without_seeing_what_the_reader_made_of_it(client, amy, said):
    client.force_login(amy)
    url = reverse("personas:reading-draw")
    page = client.get(url).content.decode()
    assert "r-mood" not in page
    for left in (2, 1, 0):
        line = Interaction.objects.filter(mood_label=None).first()
        page = client.post(url, {"line": line.pk, "mood": "neutral"}).content.decode()
        assert Interaction.objects.filter(mood_label=None).count() == left
    assert "No message is left to judge" in page
    assert set(MoodLabel.objects.values_list("source", "by", "mood")) == {("sample", amy.pk, 0)}
    assert "Say how the message sounds" in client.post(url, {"line": "x", "mood": "happy"}).content.decode()


def test_labels_are_listed_and_taken_back(client, amy, said):
    set_mood(interaction=said[0], mood=-1, by=amy)
    client.force_login(amy)
    page = client.get(reverse("personas:label-list")).content.decode()
    assert "I love this kettle" in page and "Corrected in its thread" in page
    label = MoodLabel.objects.get()
    assert client.post(reverse("personas:label-take-back", args=[label.pk])).status_code == 302
    assert not MoodLabel.objects.exists()
    assert Interaction.objects.get(pk=said[0].pk).sentiment > 0


def test_labels_of_other_teams_are_not_shown(client, staff, said, ada):
    from accounts.services import create_team

    label = set_mood(interaction=said[0], mood=-1, by=ada)
    zoe = staff("zoe", "agent", teams=[create_team(name="Other", by=ada)])
    client.force_login(zoe)
    assert "I love this kettle" not in client.get(reverse("personas:label-list")).content.decode()
    assert client.post(reverse("personas:label-take-back", args=[label.pk])).status_code == 404


@pytest.mark.parametrize(
    ("content", "told", "labels"),
    [
        (b"text,label\nIt broke at once,unhappy\nLovely thing,happy\n", "2 labels taken", 2),
        (b"Label,Text\nneutral,Do you ship on Mondays\nangry,hm hm\n", "Line 3: the label is not happy", 1),
        (b"words,mood\na,b\n", "must name the columns text and label", 0),
        (b"text,label," + b"x" * (MAX_LINE + 1) + b"\nLovely,happy\n", "This is no CSV", 0),
        (b"", "Choose a file", 0),
        (b"text,label\n" + b"a,b\n" * 50_001, "more than 50000 lines", 0),
    ],
)
def test_labels_come_from_a_file(client, max, content, told, labels):
    client.force_login(max)
    file = SimpleUploadedFile("labels.csv", content) if content else io.BytesIO()
    data = {"file": file} if content else {}
    page = client.post(reverse("personas:label-import"), data, follow=True).content.decode()
    assert told in page and MoodLabel.objects.count() == labels


def test_tags_are_chosen_as_reasons(client, max, said):
    tag = add_tag(conversation=said[0].conversation, name="late", by=max)
    client.force_login(max)
    url = reverse("personas:reason-tags")
    client.post(url, {f"tag-{tag.pk}": "yes", "tag-99999": "yes", "tag-x": "yes", "tag-²": "yes"})
    assert list(ReasonTag.objects.values_list("tag__name", "is_reason")) == [("late", True)]
    client.post(url, {f"tag-{tag.pk}": "no"})
    assert not ReasonTag.objects.get().is_reason
    client.post(url, {f"tag-{tag.pk}": ""})
    assert not ReasonTag.objects.exists() and Tag.objects.filter(pk=tag.pk).exists()


def test_reading_again_is_queued_once(client, max, said):
    client.force_login(max)
    for _turn in range(2):
        client.post(reverse("personas:reread"))
    job = Job.objects.get(kind="texts.reread")
    assert job.created_by == max
    assert "Read texts again" in client.get(reverse("personas:reading")).content.decode()


# Topics


def test_topics_by_persona_are_counted_and_compared(said, client, vic):
    today = Workspace.current().today(START)
    persona = Persona.objects.create(name="Ritual pourers", tone=1, members=1)
    customer = said[0].customer
    PersonaMembership.objects.create(
        persona=persona, customer=customer, confidence=0.8, since=START - timedelta(days=90)
    )
    lines = [
        inbound(f"d{n}", text="my parcel is late", thread=f"d{n}", occurred_at=START + timedelta(hours=n % 5))
        for n in range(20)
    ]
    lines += [
        inbound(f"b{n}", text="hello again", thread=f"b{n}", occurred_at=START - timedelta(days=5, hours=n))
        for n in range(20)
    ]
    ingest(said[0].account, lines)
    roll()
    found = by_persona(today - timedelta(days=2), today + timedelta(days=1))
    assert set(found) == {persona.pk}
    figures = {one.topic: one for one in found[persona.pk]}
    parcel = figures["delivery"]
    assert (parcel.n, parcel.base, parcel.n_before, parcel.moved) == (22, 23, 0, 1)
    assert by_persona(today - timedelta(days=2), today, teams=[]) == {}
    assert by_persona(today - timedelta(days=400), today - timedelta(days=300)) == {}


@pytest.mark.parametrize(
    ("n", "base", "before", "base_before", "moved"),
    [
        (20, 100, 5, 100, 1),
        (5, 100, 20, 100, -1),
        (12, 100, 10, 100, 0),
        (9, 10, 0, 10, 0),
        (50, 100, 0, 0, 0),
    ],
)
def test_a_topic_moves_only_where_chance_would_not_move_it(n, base, before, base_before, moved):
    assert TopicFigure(1, "delivery", n, base, before, base_before, 0).moved == moved


# API


def test_a_correction_over_the_api(ada, amy, vic, said):
    path = f"interactions/{said[0].pk}/reading/"
    amys = Caller(amy, maker=ada)
    answer = amys.patch(path, {"mood": "unhappy"})
    assert answer.status_code == 200, answer.content
    assert (answer.json()["sentiment"], answer.json()["mood_by_staff"]) == (-0.6, True)
    assert MoodLabel.objects.get().by == amy
    answer = amys.patch(path, {"mood": None})
    assert not answer.json()["mood_by_staff"] and answer.json()["sentiment"] > 0
    assert errors(amys.patch(path, {"mood": "cross"})) == [("invalid_choice", "mood")]
    assert Caller(vic, maker=ada).patch(path, {"mood": "happy"}).status_code == 403
    blind = Caller(amy, scopes=["reading.correct"], maker=ada)
    assert blind.patch(path, {"mood": None}).status_code == 403, "its answer is the message"


def test_models_and_rereads_over_the_api(ada, mia, max, said):
    TextModel.objects.create(kind="reason", version=0, labels=99, figures={"tags": []})
    mias, maxs = Caller(mia, maker=ada), Caller(max, maker=ada)
    found = mias.get("text-models/").json()["results"]
    assert [(one["kind"], one["is_used"], one["labels"]) for one in found] == [("reason", False, 99)]
    assert "parameters" not in found[0]
    assert mias.post("rereads/").status_code == 403
    assert maxs.post("rereads/").status_code == 202
    assert maxs.post("rereads/").status_code == 409
