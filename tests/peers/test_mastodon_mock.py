"""Mastodon by others: the connector against `mastodon_mock`, with what it can let go wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen
from uuid import uuid4

import pytest
from django.utils import timezone
from mastodon_mock.config import SeedAccount, SeedConfig
from mastodon_mock.testing.server import MockServer

from accounts.models import Team
from engagement import channels, outbox, pulls
from engagement.channels.base import Act, Author, Event, File, RateReached, Target, TransientFailure
from engagement.models import ChannelAccount, Conversation, Delivery, DeliveryState, Interaction, Post
from engagement.replies import reply
from tests.channels.mastodon.conftest import making

pytestmark = pytest.mark.peer
LINK = channels.connector("mastodon")
TOKENS = {"shop": "shop-token-0123456789", "bob": "bob-token-0123456789", "eve": "eve-token-0123456789"}
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c4944415408d763f8cfc000000301010018dd8db00000000049454e44ae426082"
)


class There:
    """The server, and what people do on it by its own API."""

    def __init__(self, url: str) -> None:
        self.url = url

    def call(self, who: str, method: str, path: str, **body: Any) -> Any:
        headers = {"Authorization": f"Bearer {TOKENS.get(who, '')}", "Content-Type": "application/json"}
        data = json.dumps(body).encode() if body else None
        request = Request(f"{self.url}{path}", data, headers, method=method)
        with urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def write(self, who: str, text: str, *, answers: str = "", visibility: str = "public") -> str:
        body = {"status": text, "visibility": visibility} | ({"in_reply_to_id": answers} if answers else {})
        return str(self.call(who, "POST", "/api/v1/statuses", **body)["id"])

    def fault(self, effect: str, path: str, *, count: int = 1, methods: Any = None, **more: Any) -> None:
        match = {"path": path, "methods": methods}
        body = {"match": match, "effect": {"type": effect, **more}, "count": count}
        self.call("", "POST", "/api/v1/_mock/faults", **body)


@pytest.fixture(scope="module")
def server() -> Iterator[MockServer]:
    people = [SeedAccount(username=name, display_name=name.title(), access_token=token)
              for name, token in TOKENS.items()]  # fmt: skip
    with MockServer(seed=SeedConfig(accounts=people)) as running:
        yield running


@pytest.fixture
def there(server: MockServer, settings: Any) -> There:
    settings.RAPPORT_ALLOW_PRIVATE_HOSTS = ["127.0.0.1"]
    found = There(server.base_url)
    found.call("", "POST", "/api/v1/_mock/reset")
    return found


@pytest.fixture
def account(db: None, there: There) -> ChannelAccount:
    account = ChannelAccount(connector="mastodon", network="mastodon", name="Shop", team=Team.general())
    LINK.fill_account(account, {"instance": there.url, "access_token": TOKENS["shop"]})
    account.created_at = timezone.now() - timedelta(hours=1)
    account.save()
    return account


def events(account: ChannelAccount) -> list[Event]:
    return [one for page in LINK.pull(account) for one in page.events if isinstance(one, Event)]


def answered(conversation: Conversation, by: Any, text: str) -> Delivery:
    reply(conversation=conversation, by=by, text=text, client_key=uuid4())
    delivery = Delivery.objects.filter(conversation=conversation).latest("pk")
    outbox.send_delivery(delivery.pk)
    delivery.refresh_from_db()
    return delivery


def test_a_login_ends_in_the_account(there: There) -> None:
    login = LINK.begin_login(
        {"instance": there.url}, state="the-state", back_to="https://crm.example.com/back/"
    )
    asked = parse_qs(urlsplit(login.url).query)
    assert asked["code_challenge_method"] == ["S256"]
    # its page lets one choose who one is, and puts that into the code
    (offer,) = LINK.finish_login(
        {"code": "mockcode_shop"}, login.remembered, back_to="https://crm.example.com/back/"
    )
    assert offer.name.startswith("@shop@") and offer.credentials["access_token"]


def test_every_permission_works(account: ChannelAccount) -> None:
    assert all(one.works for one in LINK.examine(account)), LINK.examine(account)
    assert account.settings["limits"]["letters"] == 500


def test_mentions_are_walked_by_links_and_taken_in_once(there: There, account: ChannelAccount) -> None:
    post = there.write("shop", "We open on Sunday")
    ids = {there.write("bob", f"@shop comment {number}", answers=post) for number in range(95)}
    ids.add(there.write("eve", "@shop hello"))
    for _again in range(3):
        assert not pulls.pull_account(account.pk).failure
    found = Interaction.objects.filter(account=account)
    assert set(found.values_list("external_id", flat=True)) == ids
    assert found.filter(post__external_id=post).count() == 95
    assert Post.objects.get(account=account, external_id=post).text == "We open on Sunday"
    account.cursor = {"min_id": "0"}
    pages = [page for page in LINK.pull(account) if page.events]
    assert len(pages) >= 3


def test_answers_keep_their_visibility_and_go_out_once(
    there: There, account: ChannelAccount, amy: Any
) -> None:
    there.write("bob", "@shop in public")
    there.write("eve", "@shop psst", visibility="direct")
    pulls.pull_account(account.pk)
    for conversation in Conversation.objects.all():
        delivery = answered(conversation, amy, "Thank you, see https://shop.example.com/a?b=1 & more")
        assert delivery.state == DeliveryState.SENT, delivery.failure_text
        sent = there.call("shop", "GET", f"/api/v1/statuses/{delivery.interaction.external_id}")
        assert sent["visibility"] == ("public" if conversation.is_public else "direct")
        assert len(sent["mentions"]) == 1
        ours = outbox.gather(delivery)
        assert LINK.find_sent(ours).external_id == sent["id"]
        assert LINK.send(ours).external_id == sent["id"]


def test_an_answer_that_was_cut_off_is_read_back(there: There, account: ChannelAccount) -> None:
    own = there.write("bob", "@shop hello")
    ours = making(account)("Hi Bob", answers=own)
    assert LINK.find_sent(ours) is None
    there.call("shop", "POST", "/api/v1/statuses", status="@bob Hi Bob", in_reply_to_id=own)
    assert LINK.find_sent(ours) is not None


def test_edits_and_deletions_are_followed(there: There, account: ChannelAccount) -> None:
    edited, deleted = there.write("bob", "@shop helo"), there.write("eve", "@shop oops")
    pulls.pull_account(account.pk)
    there.call("bob", "PUT", f"/api/v1/statuses/{edited}", status="@shop hello")
    there.call("eve", "DELETE", f"/api/v1/statuses/{deleted}")
    assert list(LINK.gone(account, [edited, deleted])) == [deleted]
    account.refresh_from_db()
    account.cursor = {**account.cursor, "watch_after": 0}
    account.save()
    pulls.pull_account(account.pk)
    lines = {one.external_id: one for one in Interaction.objects.filter(account=account)}
    assert lines[edited].text == "@shop hello" and lines[edited].edited_at
    assert lines[deleted].deleted_at


def test_files_acts_and_a_window(there: There, account: ChannelAccount) -> None:
    own = there.write("bob", "@shop look")
    ours = making(account)("Here", answers=own, files=[File("a.png", "image/png", content=PNG)])
    sent = there.call("shop", "GET", f"/api/v1/statuses/{LINK.send(ours).external_id}")
    assert len(sent["media_attachments"]) == 1
    bob = there.call("bob", "GET", "/api/v1/accounts/verify_credentials")["id"]
    theirs = Target(own, Author(bob), True, "mention", "inbound")
    LINK.act(account, Act.LIKE, theirs)
    assert there.call("bob", "GET", f"/api/v1/statuses/{own}")["favourites_count"] == 1
    for act in (Act.UNLIKE, Act.BLOCK, Act.UNBLOCK):
        LINK.act(account, act, theirs)
    LINK.act(account, Act.DELETE, Target(sent["id"], None, True, "comment", "outbound"))
    with pytest.raises(HTTPError):
        there.call("shop", "GET", f"/api/v1/statuses/{sent['id']}")
    until = timezone.now() + timedelta(minutes=1)
    found = [one for page in LINK.list_window(account, until - timedelta(hours=1), until) for one in page]
    assert [one.external_id for one in found] == [own]


def test_faults_of_reading_lose_nothing(there: There, account: ChannelAccount) -> None:
    own = there.write("bob", "@shop hello")
    path = "/api/v1/notifications"
    there.fault("ratelimit", path)
    with pytest.raises(RateReached) as raised:
        events(account)
    assert 250 < raised.value.retry_after <= 300
    there.fault("status", path, status=503, count=3)
    with pytest.raises(TransientFailure):
        events(account)
    there.fault("malformed", path)
    with pytest.raises(TransientFailure):
        events(account)
    there.fault("latency", path, delay_ms=1500)
    assert [one.external_id for one in events(account)] == [own]


@pytest.mark.parametrize(
    ("effect", "more"), [("status", {"status": 503}), ("malformed", {}), ("ratelimit", {})]
)
def test_faults_of_sending_send_once(
    there: There, account: ChannelAccount, amy: Any, effect: str, more: dict[str, Any]
) -> None:
    own = there.write("bob", "@shop hello")
    pulls.pull_account(account.pk)
    there.fault(effect, "/api/v1/statuses", methods=["POST"], **more)
    delivery = answered(Conversation.objects.get(), amy, "Hi Bob")
    assert delivery.state != DeliveryState.FAILED
    ours = outbox.gather(delivery)
    LINK.find_sent(ours) or LINK.send(ours)
    LINK.find_sent(ours) or LINK.send(ours)
    below = there.call("bob", "GET", f"/api/v1/statuses/{own}/context")["descendants"]
    assert len(below) == 1
