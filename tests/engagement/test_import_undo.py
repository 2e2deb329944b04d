"""An import of interactions is taken back: what it brought goes, what went on since stays."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Team
from core.models import ImportedRow
from crm.models import Customer
from engagement.conversations import write_note
from engagement.imports import event_of
from engagement.ingest import ingest
from engagement.models import ChannelAccount, Conversation, DirtyDay, Interaction
from tests.crm.importing import both, undo, upload

pytestmark = pytest.mark.django_db
HEAD = "network,account,external_id,direction,occurred_at,text,thread_id,author_id,author_name"
LINES = (
    "email,shop,m1,inbound,2026-03-01T09:00:00Z,Where is my parcel?,t1,eva@example.org,Eva Lind",
    "email,shop,m2,outbound,2026-03-01T10:00:00Z,On its way,t1,,",
    "email,shop,m3,inbound,2026-03-02T09:00:00Z,Two cups please,t2,amy@example.org,Amy Tran",
)


def imported(by: Any) -> Any:
    run = upload("\n".join([HEAD, *LINES]) + "\n", by, name="mails.csv", kind="import_interactions")
    assert both(run)["new"] == 3
    return run


def test_everything_goes_but_the_authors(ada: Any) -> None:
    run = imported(ada)
    DirtyDay.objects.all().delete()
    assert undo(run) == {"undone": 3, "kept": 0}
    assert not Interaction.objects.exists()
    assert not Conversation.objects.exists()
    assert sorted(Customer.objects.values_list("name", flat=True)) == ["Amy Tran", "Eva Lind"]
    assert DirtyDay.objects.count() == 2


def test_a_conversation_that_went_on_stays_whole(ada: Any) -> None:
    run = imported(ada)
    conversation = Interaction.objects.get(external_id="m1").conversation
    assert conversation
    write_note(conversation=conversation, text="Called the courier.", by=ada)
    assert undo(run) == {"undone": 1, "kept": 2}
    assert set(Interaction.objects.exclude(kind="note").values_list("external_id", flat=True)) == {"m1", "m2"}
    reasons = ImportedRow.objects.filter(run=run, outcome="kept").values_list("reason", flat=True)
    assert set(reasons) == {"the conversation went on since"}


def test_lines_that_were_here_before_stay_and_are_shown_again(ada: Any) -> None:
    account = ChannelAccount.objects.create(
        connector="api", network="email", external_id="shop", name="shop", team=Team.general()
    )
    first = {
        "external_id": "m0", "direction": "inbound", "occurred_at": "2026-02-28T09:00:00Z", "text": "Hello",
        "thread_id": "t1", "author": {"external_id": "eva@example.org", "name": "Eva Lind"},
    }  # fmt: skip
    ingest(account, [event_of(first)], live=False)
    Interaction.objects.update(received_at=timezone.now() - timedelta(days=1))
    run = imported(ada)
    assert Conversation.objects.get(threads__thread_key="t1").count == 3
    assert undo(run) == {"undone": 3, "kept": 0}
    left = Conversation.objects.get()
    assert (left.count, left.customer and left.customer.name) == (1, "Eva Lind")
    assert left.last_at == Interaction.objects.get().occurred_at


def test_the_same_file_comes_in_again_after_its_undoing(ada: Any) -> None:
    undo(imported(ada))
    imported(ada)
    assert Interaction.objects.count() == 3
