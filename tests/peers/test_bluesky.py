"""The Bluesky connector against the network's own servers (npm @atproto/dev-env)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connections
from django.utils import timezone

from accounts.models import Team
from engagement import channels, credentials, outbox, pulls
from engagement.channels.base import (
    Act,
    Author,
    File,
    Outgoing,
    PermanentFailure,
    PermissionMissing,
    Target,
    TokenExpired,
)
from engagement.channels.bluesky import pulling
from engagement.channels.bluesky.connector import BlueskyConnector
from engagement.models import ChannelAccount, Conversation, Delivery, Interaction, Post
from engagement.replies import reply
from tests.peers.bluesky_network import Network, Person, now, running_network, wait_until

pytestmark = [pytest.mark.peer, pytest.mark.django_db(transaction=True)]


@pytest.fixture(scope="module")
def network(django_db_setup: Any, django_db_blocker: Any) -> Iterator[Network]:
    with django_db_blocker.unblock(), running_network() as running:
        yield running


@dataclass
class Cast:
    network: Network
    shop: Person
    mara: Person
    account: ChannelAccount


@pytest.fixture
def link() -> Any:
    return channels.connector("bluesky")


@pytest.fixture
def cast(network: Network, link: BlueskyConnector, settings: Any) -> Cast:
    """Our shop, connected, and a customer."""
    settings.CHANNEL_URLS = {"bluesky": network.bsky, "bluesky-plc": network.plc}
    settings.RAPPORT_ALLOW_PRIVATE_HOSTS = ["localhost", "127.0.0.1"]
    shop, mara = network.join("shop"), network.join("mara")
    wait_until(lambda: _is_known(network, shop) and _is_known(network, mara))
    account = ChannelAccount(connector="bluesky", network="bluesky", name="Bluesky", team=Team.general())
    password = network.app_password(shop, privileged=False)
    link.fill_account(account, {"handle": shop.handle, "app_password": password, "direct_messages": False})
    link.check(account)
    account.save()
    return Cast(network, shop, mara, account)


def _is_known(network: Network, person: Person) -> bool:
    import requests

    url = f"{network.bsky}/xrpc/app.bsky.actor.getProfile"
    return requests.get(url, params={"actor": person.handle}, timeout=20).ok


def pull(cast: Cast) -> None:
    pulled = pulls.pull_account(cast.account.pk)
    assert pulled.failure == ""
    cast.account.refresh_from_db()


def said(cast: Cast) -> set[str]:
    rows = Interaction.objects.filter(account=cast.account, direction="inbound")
    return set(rows.values_list("external_id", flat=True))


def pull_until(cast: Cast, uris: set[str]) -> None:
    """Pull until these are here: notifications appear a moment after their posts."""

    def here() -> bool:
        pull(cast)
        return uris <= said(cast)

    wait_until(here)


def outgoing(cast: Cast, text: str, **more: Any) -> Outgoing:
    delivery = Delivery(client_key=uuid4(), created_at=timezone.now(), attempts=1)
    filled: dict[str, Any] = {
        "html": "", "subject": "", "external_id": "out:1", "in_reply_to": "", "references": (),
        "to": [Author(cast.mara.did)], "cc": (), "bcc": (), "thread_key": "", "files": (),
        "sender_name": "Amy", "public": True,
    }  # fmt: skip
    return Outgoing(delivery=delivery, account=cast.account, text=text, **{**filled, **more})


def test_connecting_and_the_self_test(cast: Cast, link: BlueskyConnector) -> None:
    assert cast.account.external_id == cast.shop.did
    assert cast.account.token_expires_at is not None and cast.account.token_expires_at > timezone.now()
    assert [one.works for one in link.examine(cast.account)] == [True, True]


def test_an_app_password_without_the_tick_may_not_read_direct_messages(
    cast: Cast, link: BlueskyConnector
) -> None:
    cast.account.settings["direct_messages"] = True
    with pytest.raises(PermissionMissing):
        link.check(cast.account)
    password = cast.network.app_password(cast.shop, privileged=True)
    form = {"handle": cast.shop.handle, "app_password": password, "direct_messages": True}
    link.fill_account(cast.account, form)
    finding = link.examine(cast.account)[-1]
    # The accounts' server lets it pass; there is no chat behind it here.
    assert "app password" not in finding.text


def test_a_conversation_with_a_customer(cast: Cast, max: Any, link: BlueskyConnector) -> None:
    """Our post, their reply, our answer by the outbox, their thanks: one conversation, each line once."""
    root = cast.network.post(cast.shop, "New lights are in")
    question = cast.network.reply(cast.mara, "How bright are they?", root)
    pull_until(cast, {question["uri"]})
    conversation = Conversation.objects.get(account=cast.account)
    written = reply(
        conversation=conversation, by=max, text="800 lumen 🚲, see https://example.org", client_key=uuid4()
    )
    delivery = Delivery.objects.get(interaction=written)
    sent = outbox.send_delivery(delivery.pk)
    assert sent is not None and sent.state == "sent", sent and sent.failure_text
    uri = Interaction.objects.get(pk=written.pk).external_id
    wait_until(lambda: cast.network.shown(uri))
    shown = cast.network.shown(uri)
    assert shown["record"]["reply"] == {"root": root, "parent": question}
    assert shown["record"]["facets"][0]["features"][0]["uri"] == "https://example.org"
    thanks = cast.network.reply(cast.mara, "Thanks!", {"uri": uri, "cid": shown["cid"]}, root=root)
    pull_until(cast, {question["uri"], thanks["uri"]})
    assert Conversation.objects.filter(account=cast.account).count() == 1
    lines = Interaction.objects.filter(account=cast.account).order_by("occurred_at")
    assert [one.direction for one in lines] == ["inbound", "outbound", "inbound"]
    assert Post.objects.get(account=cast.account).external_id == root["uri"]


def test_an_answer_given_in_the_app_comes_in_as_ours(cast: Cast) -> None:
    root = cast.network.post(cast.shop, "New lights are in")
    question = cast.network.reply(cast.mara, "How bright?", root)
    answer = cast.network.reply(cast.shop, "800 lumen", question, root=root)
    pull_until(cast, {question["uri"]})
    echo = Interaction.objects.get(external_id=answer["uri"])
    assert echo.direction == "outbound" and echo.conversation is not None
    assert echo.conversation.count == 2


def test_a_mention_and_a_quote(cast: Cast) -> None:
    root = cast.network.post(cast.shop, "New lights are in")
    text = f"@{cast.shop.handle} when do you open?"
    feature = {"$type": "app.bsky.richtext.facet#mention", "did": cast.shop.did}
    facet = {"index": {"byteStart": 0, "byteEnd": len(cast.shop.handle) + 1}, "features": [feature]}
    mention = cast.network.post(cast.mara, text, facets=[facet])
    quote = cast.network.post(cast.mara, "Look", embed={"$type": "app.bsky.embed.record", "record": root})
    pull_until(cast, {mention["uri"], quote["uri"]})
    assert Interaction.objects.get(external_id=quote["uri"]).post.external_id == root["uri"]
    assert set(Interaction.objects.values_list("kind", flat=True)) == {"mention"}


def test_a_post_sent_twice_is_one_and_301_letters_are_refused(cast: Cast, link: BlueskyConnector) -> None:
    root = cast.network.post(cast.mara, "hello")
    one = outgoing(cast, "Hello yourself", in_reply_to=root["uri"])
    first = link.send(one)
    assert link.send(one) == first == link.find_sent(one)
    records = cast.network.call(
        None, "com.atproto.repo.listRecords", repo=cast.shop.did, collection="app.bsky.feed.post"
    )
    assert [record["uri"] for record in records["records"]] == [first.external_id]
    family = "👨‍👩‍👧‍👦"
    # 25 bytes a letter: the limit of 3,000 bytes comes first.
    assert link.send(outgoing(cast, family * 100 + "x" * 200, in_reply_to=root["uri"]))
    with pytest.raises(PermanentFailure):
        link.send(outgoing(cast, "x" * 301, in_reply_to=root["uri"]))


def test_a_picture_goes_out_and_comes_in(cast: Cast, link: BlueskyConnector) -> None:
    root = cast.network.post(cast.shop, "New lights are in")
    png = bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
        "0000000d49444154789c6360f8cf500f00038601805a34bcb40000000049454e44ae426082"
    )
    sent = link.send(
        outgoing(cast, "See", in_reply_to=root["uri"], files=[File("a.png", "image/png", content=png)])
    )
    wait_until(lambda: cast.network.shown(sent.external_id))
    record = cast.network.shown(sent.external_id)["record"]
    blob = record["embed"]["images"][0]["image"]["ref"]["$link"]
    fetched = link.fetch_file(cast.account, File("a.png", "", url=f"{cast.shop.did}/{blob}"), most=10_000)
    assert fetched.content == png


def test_a_like_and_a_block(cast: Cast, link: BlueskyConnector) -> None:
    theirs = cast.network.post(cast.mara, "hello")
    target = Target(theirs["uri"], Author(cast.mara.did), True, "mention", "inbound")
    for _ in range(2):
        link.act(cast.account, Act.LIKE, target)
    wait_until(lambda: cast.network.shown(theirs["uri"])["likeCount"] == 1)
    link.act(cast.account, Act.UNLIKE, target)
    wait_until(lambda: cast.network.shown(theirs["uri"])["likeCount"] == 0)
    for act in (Act.BLOCK, Act.BLOCK):
        link.act(cast.account, act, target)
    blocks = cast.network.call(
        None, "com.atproto.repo.listRecords", repo=cast.shop.did, collection="app.bsky.graph.block"
    )
    assert [one["value"]["subject"] for one in blocks["records"]] == [cast.mara.did]


def test_a_hidden_answer_is_hidden_by_our_threadgate(cast: Cast, link: BlueskyConnector) -> None:
    root = cast.network.post(cast.shop, "New lights are in")
    spam = cast.network.reply(cast.mara, "spam", root)
    target = Target(spam["uri"], Author(cast.mara.did), True, "comment", "inbound")
    for act, hidden in ((Act.HIDE, [spam["uri"]]), (Act.UNHIDE, [])):
        link.act(cast.account, act, target)
        gate = cast.network.call(
            None, "com.atproto.repo.getRecord", repo=cast.shop.did, collection="app.bsky.feed.threadgate",
            rkey=root["uri"].rpartition("/")[2],
        )  # fmt: skip
        assert gate["value"]["hiddenReplies"] == hidden


@pytest.mark.parametrize("size", [8, 9, 10, 100])
def test_thirteen_notifications_of_which_seven_share_a_moment(
    cast: Cast, size: int, monkeypatch: Any
) -> None:
    """Their pages are cut at a bare time: walked as they offer it, some of the seven are never seen."""
    root = cast.network.post(cast.shop, "New lights are in")
    moment = now()
    same = {cast.network.reply(cast.mara, f"same {n}", root, createdAt=moment)["uri"] for n in range(7)}
    later = {cast.network.reply(cast.mara, f"later {n}", root)["uri"] for n in range(6)}
    wait_until(lambda: _notified(cast) >= 13)
    monkeypatch.setattr(pulling, "PAGE", size)
    pull(cast)
    assert said(cast) == same | later


def _notified(cast: Cast) -> int:
    found = cast.network.call(cast.shop, "app.bsky.notification.listNotifications", limit=100)
    return len(found["notifications"])


def test_a_backdated_reply_is_found_though_it_stands_deep(cast: Cast, monkeypatch: Any) -> None:
    root = cast.network.post(cast.shop, "New lights are in")
    first = {cast.network.reply(cast.mara, f"a {n}", root)["uri"] for n in range(4)}
    pull_until(cast, first)
    old = cast.network.reply(cast.mara, "written last year", root, createdAt="2025-11-22T09:00:00.000Z")
    wait_until(lambda: _notified(cast) >= 5)
    monkeypatch.setattr(pulling, "PAGE", 2)
    monkeypatch.setattr(pulling, "OVERLAP", pulling.OVERLAP * 0)
    pull(cast)
    assert old["uri"] not in said(cast)
    cast.account.cursor = {**cast.account.cursor, "deep_at": "2026-01-01T00:00:00.000Z"}
    cast.account.save(update_fields=["cursor"])
    pull(cast)
    assert said(cast) == first | {old["uri"]}


def test_a_deleted_post_is_surely_gone_and_the_window_lists_the_rest(
    cast: Cast, link: BlueskyConnector
) -> None:
    root = cast.network.post(cast.shop, "New lights are in")
    # The network tells time by the millisecond.
    began = timezone.now() - timedelta(seconds=1)
    kept, deleted = (
        cast.network.reply(cast.mara, "kept", root),
        cast.network.reply(cast.mara, "deleted", root),
    )
    pull_until(cast, {kept["uri"], deleted["uri"]})
    cast.network.delete(cast.mara, deleted)
    assert link.gone(cast.account, [kept["uri"], deleted["uri"]]) == [deleted["uri"]]
    listed = {
        one.external_id for page in link.list_window(cast.account, began, timezone.now()) for one in page
    }
    assert kept["uri"] in listed and deleted["uri"] not in listed


def test_two_workers_renew_the_token_at_once_and_both_can_go_on(cast: Cast, link: BlueskyConnector) -> None:
    before = dict(cast.account.credentials)
    barrier, ends = threading.Barrier(2), []

    def work() -> None:
        account = ChannelAccount.objects.get(pk=cast.account.pk)
        barrier.wait(10)
        credentials.refresh(account)
        link.check(account)
        ends.append(account.credentials["access_token"])
        connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(ends) == 2
    kept = ChannelAccount.objects.get(pk=cast.account.pk)
    assert kept.credentials["refresh_token"] != before["refresh_token"]
    link.check(kept)


def test_a_bad_token_is_a_400_and_the_pull_renews_it(cast: Cast, link: BlueskyConnector) -> None:
    question = cast.network.reply(cast.mara, "hello", cast.network.post(cast.shop, "New lights are in"))
    token = cast.account.credentials["access_token"]
    head, _dot, rest = token.partition(".")
    cast.account.credentials = {**cast.account.credentials, "access_token": f"{head}.{rest[:-4]}AAAA"}
    cast.account.save(update_fields=["credentials"])
    with pytest.raises(TokenExpired):
        link.check(cast.account)
    pull_until(cast, {question["uri"]})


def test_a_refresh_token_that_is_dead_leads_to_a_new_session(cast: Cast, link: BlueskyConnector) -> None:
    cast.account.credentials = {**cast.account.credentials, "refresh_token": "not.a.token"}
    fresh = link.refresh(cast.account)
    cast.account.credentials = dict(fresh.credentials)
    link.check(cast.account)
