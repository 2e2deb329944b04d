"""What people say of a message's mood."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.urls import reverse

from accounts.models import AuditEntry
from accounts.services import create_team
from core.models import Workspace
from crm.models import CustomerTouch
from engagement.channels.base import Change
from engagement.ingest import ingest
from engagement.models import Conversation, DirtyDay, Interaction, MoodLabel
from engagement.moods import MOOD_VALUE, counts, drawn, import_labels, set_mood, take_back
from tests.engagement.events import account, inbound, outbound

pytestmark = pytest.mark.django_db


@pytest.fixture
def line(db):
    Workspace.current()
    Workspace.objects.update(languages=["en"])
    ingest(account(), [inbound("a", text="Great, it broke again. Thanks a lot, I love waiting.")])
    return Interaction.objects.get()


def test_a_persons_word_counts_at_once_and_everything_follows_it(line, amy):
    assert line.sentiment > 0
    CustomerTouch.objects.all().delete()
    DirtyDay.objects.all().delete()
    set_mood(interaction=line, mood=-1, by=amy)
    line.refresh_from_db()
    assert line.sentiment == -MOOD_VALUE and line.mood_by_staff
    assert Conversation.objects.get().mood == -MOOD_VALUE
    assert CustomerTouch.objects.get().customer_id == line.customer_id
    assert DirtyDay.objects.get().account_id == line.account_id
    label = MoodLabel.objects.get()
    assert (label.by, label.source, label.language) == (amy, "thread", "en") and label.was > 0
    entry = AuditEntry.objects.get(verb="interaction.mood_set")
    assert entry.actor == amy and entry.detail == {"mood": "unhappy"}


def test_the_last_word_counts_and_what_was_read_is_kept(line, amy, max):
    was = line.sentiment
    set_mood(interaction=line, mood=-1, by=amy)
    set_mood(interaction=line, mood=0, by=max)
    label = MoodLabel.objects.get()
    assert (label.mood, label.by, label.was) == (0, max, was)


def test_taken_back_it_is_as_the_reader_reads_it(line, amy):
    was = line.sentiment
    take_back(label=set_mood(interaction=line, mood=-1, by=amy), by=amy)
    line.refresh_from_db()
    assert line.sentiment == was and not line.mood_by_staff
    assert not MoodLabel.objects.exists()
    assert Conversation.objects.get().mood == was


def test_an_edit_of_the_words_keeps_what_a_person_said(line, amy):
    set_mood(interaction=line, mood=-1, by=amy)
    edit = Change(
        kind="edit", external_id="a", at=line.occurred_at + timedelta(minutes=1), text="I love it so much"
    )
    ingest(line.account, [edit])
    line.refresh_from_db()
    assert line.text == "I love it so much" and line.sentiment == -MOOD_VALUE


def test_only_words_of_customers_have_a_mood(line, amy):
    ingest(line.account, [outbound("b", minute=5)])
    with pytest.raises(ValidationError):
        set_mood(interaction=Interaction.objects.get(external_id="b"), mood=1, by=amy)
    assert not MoodLabel.objects.exists()


def test_a_viewer_cannot_correct(line, vic, client):
    with pytest.raises(PermissionDenied):
        set_mood(interaction=line, mood=1, by=vic)
    client.force_login(vic)
    assert client.post(reverse("engagement:mood-set", args=[line.pk, "happy"])).status_code == 403
    assert b"mood/happy" not in client.get(reverse("engagement:message", args=[line.pk])).content


def test_the_thread_corrects_and_takes_back(line, amy, client):
    client.force_login(amy)
    answer = client.post(reverse("engagement:mood-set", args=[line.pk, "unhappy"]))
    assert answer.status_code == 200 and b"told by staff" in answer.content
    answer = client.post(reverse("engagement:mood-set", args=[line.pk, "read"]))
    assert b"told by staff" not in answer.content and not MoodLabel.objects.exists()
    assert client.post(reverse("engagement:mood-set", args=[line.pk, "furious"])).status_code == 404


def test_other_teams_messages_are_not_there(line, staff, client, ada):
    other = create_team(name="Other", by=ada)
    zoe = staff("zoe", "agent", teams=[other])
    client.force_login(zoe)
    assert client.post(reverse("engagement:mood-set", args=[line.pk, "happy"])).status_code == 404
    assert drawn(zoe) is None


def test_what_is_drawn_is_not_drawn_again(line, amy):
    found = drawn(amy)
    assert found == line
    set_mood(interaction=found, mood=-1, by=amy, source="sample")
    assert drawn(amy) is None
    assert counts() == {"en": {"sample": 1}}


def test_labels_are_imported_once_and_bad_lines_are_told(max, amy):
    rows = [
        ("The parcel was late again and nobody answers", "unhappy"),
        ("The parcel was late again and nobody answers", "happy"),
        ("Thank you, that was quick!", "Positive"),
        ("", "happy"),
        ("Something else", "cross"),
    ]
    found = import_labels(rows=rows, by=max)
    assert (found.taken, found.repeated, len(found.refused)) == (2, 1, 2)
    assert "5" in found.refused[0] and "6" in found.refused[1]
    assert import_labels(rows=rows[:3], by=max).taken == 0
    assert sorted(MoodLabel.objects.values_list("mood", flat=True)) == [-1, 1]
    with pytest.raises(PermissionDenied):
        import_labels(rows=rows, by=amy)
