"""Files in the thread: small pictures, sound to listen to, what is on its way, and who may see them."""

from __future__ import annotations

import pytest
from django.core.files.base import ContentFile
from django.urls import reverse

from accounts.models import Team
from engagement.models import Attachment, FileState
from tests.engagement.desk import double, general, hear, make_account

__all__ = ["double", "general"]


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch):
    monkeypatch.setattr("engagement.tasks.take_file.delay", lambda pk: None)


@pytest.fixture
def said(double, general):
    return hear(make_account(general), "Look at this").interactions.get()


def kept(said, **more) -> Attachment:
    made = Attachment(interaction=said, name="tea.jpg", content_type="image/jpeg", size=3, **more)
    made.file.save("x", ContentFile(b"abc"), save=False)
    made.thumbnail.save("x.webp", ContentFile(b"web"), save=False)
    made.save()
    return made


def url(name, pk):
    return reverse(f"engagement:{name}", args=[pk])


def thread(client, said):
    return client.get(url("conversation", said.conversation_id)).content.decode()


def test_a_picture_is_shown_small_and_opens_whole(signed_in, amy, said):
    one = kept(said, width=900, height=600)
    client = signed_in(amy)
    shown = thread(client, said)
    assert url("thumbnail", one.pk) in shown and 'width="240" height="160"' in shown
    answer = client.get(url("thumbnail", one.pk))
    assert (answer.headers["Content-Type"], b"".join(answer.streaming_content)) == ("image/webp", b"web")
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"


def test_sound_can_be_listened_to_in_the_thread(signed_in, amy, said):
    one = Attachment(interaction=said, name="voicemail.mp3", content_type="audio/mpeg", size=3)
    one.file.save("x", ContentFile(b"abc"))
    assert f'<audio controls preload="none" src="{url("file", one.pk)}"' in thread(signed_in(amy), said)


def test_a_file_on_its_way_says_so_and_one_that_cannot_be_had_can_be_asked_for_again(signed_in, amy, said):
    Attachment.objects.create(interaction=said, name="a.pdf", state=FileState.WAITING, source="there")
    lost = Attachment.objects.create(
        interaction=said, name="b.pdf", state=FileState.FAILED, source="there", note="It is gone."
    )
    client = signed_in(amy)
    shown = thread(client, said)
    assert "Being fetched" in shown and "It is gone." in shown and url("file-again", lost.pk) in shown
    assert client.post(url("file-again", lost.pk)).status_code == 302
    lost.refresh_from_db()
    assert lost.state == FileState.WAITING


@pytest.mark.parametrize("page", ["file", "thumbnail"])
def test_nobody_sees_the_files_of_another_teams_conversation(signed_in, amy, anonymous, said, page):
    one = kept(said)
    assert anonymous.get(url(page, one.pk)).status_code in (302, 401, 403)
    assert signed_in(amy).get(url(page, one.pk)).status_code == 200
    elsewhere = Team.objects.create(name="Elsewhere")
    type(said).objects.update(team=elsewhere)
    type(said.conversation).objects.update(team=elsewhere)
    assert signed_in(amy).get(url(page, one.pk)).status_code == 404
    assert signed_in(amy).post(url("file-again", one.pk)).status_code == 404
