"""An admin connects a number, and an agent without the right does not."""

from __future__ import annotations

from django.test import Client
from django.urls import reverse

from accounts.models import Team
from engagement.models import ChannelAccount
from tests.channels.twilio.double import NUMBER, SID

VALUES = {
    "name": "Shop line", "goal_minutes": "60", "phone_number": NUMBER, "account_sid": SID,
    "api_key": "SK" + "b" * 32, "api_secret": "a-secret-of-the-key", "auth_token": "an-auth-token",
    "greeting": "Hello.", "farewell": "Bye.", "language": "en-US", "longest_seconds": "60", "voicemail": "on",
}  # fmt: skip


def connect(user, team, **more):
    client = Client()
    client.force_login(user)
    return client.post(
        reverse("engagement:channel-connect", args=["twilio"]), {**VALUES, "team": team.pk, **more}
    )


def test_an_admin_connects_a_number_and_no_secret_is_shown_again(db, there, ada):
    assert connect(ada, Team.general()).status_code == 302
    account = ChannelAccount.objects.get()
    assert (account.external_id, account.network, account.name) == (NUMBER, "phone", "Shop line")
    client = Client()
    client.force_login(ada)
    page = client.get(reverse("engagement:channel-edit", args=[account.pk])).content.decode()
    assert NUMBER in page and "a-secret-of-the-key" not in page and "an-auth-token" not in page


def test_what_twilio_says_stands_on_the_page(db, there, ada):
    there.fail(401, {"code": 20003, "message": "Authenticate", "status": 401}, times=9)
    answer = connect(ada, Team.general())
    assert answer.status_code == 422 and "Authenticate" in answer.content.decode()
    assert not ChannelAccount.objects.exists()


def test_an_agent_connects_nothing(db, there, amy):
    assert connect(amy, Team.general()).status_code == 403
    assert not ChannelAccount.objects.exists() and there.calls == []
