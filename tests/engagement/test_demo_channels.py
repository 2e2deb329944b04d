"""The demo's channels begin conversations where real ones do, and nothing leaves the machine."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.core.exceptions import ValidationError

from accounts.models import Team, User
from engagement import forms, outbox, replies
from engagement.models import ChannelAccount, ContactLedger, Conversation, Delivery


@pytest.fixture
def demo(amy: User) -> dict[str, ChannelAccount]:
    amy.teams.add(Team.general())
    return {
        name: ChannelAccount.objects.create(
            connector="demo", network=name, external_id=name, name=name, team=Team.general()
        )
        for name in ("email", "instagram")
    }


def begin(account: ChannelAccount, to: str, *, by: User) -> Conversation:
    return replies.start_conversation(account=account, to=to, text="Hello", by=by, client_key=uuid4())


def test_only_mail_and_sms_begin(demo: dict[str, ChannelAccount], amy: User) -> None:
    assert list(forms.starting_accounts(amy)) == [demo["email"]]
    with pytest.raises(ValidationError, match="cannot write first"):
        begin(demo["instagram"], "mara", by=amy)


def test_what_is_begun_counts_as_delivered(demo: dict[str, ChannelAccount], amy: User) -> None:
    talk = begin(demo["email"], "mara@example.org", by=amy)
    outbox.send_delivery(Delivery.objects.get(conversation=talk).pk)
    assert Delivery.objects.get(conversation=talk).state == "delivered"
    assert ContactLedger.objects.get().origin == "started"
