"""An Instagram account that is read: posts, comments with their answers, and direct messages."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from engagement import pulls
from engagement.channels.base import AuthFailure
from engagement.models import ChannelAccount, Conversation, Health, Interaction, Post
from tests.channels.facebook.accounts import link, new_account
from tests.channels.facebook.graph import IG, MetaPlatform, days, stamp

pytestmark = pytest.mark.django_db


def now() -> datetime:
    return timezone.now().replace(microsecond=0)


def add_media(meta: MetaPlatform, at: datetime, **more: Any) -> str:
    media = str(18000000000000000 + meta.number())
    meta.posts.insert(0, {
        "id": media, "caption": "New!", "media_type": "CAROUSEL_ALBUM", "media_product_type": "FEED",
        "permalink": f"https://ig/{media}", "timestamp": stamp(at), "like_count": 11, "comments_count": 0,
        **more,
    })  # fmt: skip
    meta.comments[media] = []
    return media


def add_comment(
    meta: MetaPlatform, media: str, at: datetime, text: str, *, under: str = "", **more: Any
) -> str:
    number = str(17000000000000000 + meta.number())
    told = {
        "id": number, "text": text, "timestamp": stamp(at), "username": "lu",
        "from": {"id": "56148", "username": "lu"}, **more,
    }  # fmt: skip
    if under:
        top = next(one for one in meta.comments[media] if one["id"] == under)
        top.setdefault("replies", {"data": []})["data"].append({**told, "parent_id": under})
    else:
        meta.comments[media].insert(0, told)
    meta.things[number] = told
    next(one for one in meta.posts if one["id"] == media)["comments_count"] += 1
    return number


@pytest.fixture
def ig(meta: MetaPlatform) -> MetaPlatform:
    meta.own = IG
    return meta


def pull(account: ChannelAccount) -> ChannelAccount:
    pulls.pull_account(account.pk)
    account.refresh_from_db()
    return account


def texts() -> set[str]:
    return set(Interaction.objects.values_list("text", flat=True))


def test_everything_of_an_account_comes_in_once(ig: MetaPlatform) -> None:
    account = new_account("instagram")
    media = add_media(ig, now() - days(3))
    top = add_comment(ig, media, now() - days(2), "top")
    for number in range(4):
        add_comment(ig, media, now() - days(1), f"more {number}")
    add_comment(ig, media, now() - days(1), "answer", under=top)
    ig.add_message("9", now() - days(1), "direct")
    account = pull(account)
    assert texts() == {"top", "answer", "direct", *(f"more {n}" for n in range(4))}
    post = Post.objects.get()
    assert post.metrics == {"likes": 11, "comments": 6} and post.media == "album"
    pull(account)
    assert Interaction.objects.count() == 7


def test_an_answer_to_an_old_comment_is_found_by_the_count_of_comments(ig: MetaPlatform) -> None:
    account = new_account("instagram")
    media = add_media(ig, now() - days(20))
    top = add_comment(ig, media, now() - days(19), "old")
    account = pull(account)
    asked = ig_count(ig, f"/{media}/comments")
    account = pull(account)
    assert ig_count(ig, f"/{media}/comments") == asked, "nothing was added, so nothing is read"
    add_comment(ig, media, now(), "new, below the old one", under=top)
    pull(account)
    assert "new, below the old one" in texts() and Conversation.objects.count() == 1


def ig_count(meta: MetaPlatform, path: str) -> int:
    return sum(1 for call in meta.calls if call.path.endswith(path))


def test_answers_that_do_not_fit_are_read_on(ig: MetaPlatform) -> None:
    account = new_account("instagram")
    media = add_media(ig, now() - days(3))
    top = add_comment(ig, media, now() - days(2), "top")
    told = ig.comments[media][0]
    told["replies"] = {"data": [], "paging": {"cursors": {"after": "0"}, "next": "https://x/?after=0"}}
    ig.comments[top] = [
        {
            "id": f"1{n}",
            "text": f"answer {n}",
            "timestamp": stamp(now()),
            "from": {"id": "5", "username": "b"},
        }
        for n in range(3)
    ]
    pull(account)
    assert texts() == {"top", "answer 0", "answer 1", "answer 2"} and Conversation.objects.count() == 1


def test_our_own_comments_and_messages_are_outbound(ig: MetaPlatform) -> None:
    account = new_account("instagram", settings={"app_scoped_id": "259"})
    media = add_media(ig, now() - days(1))
    add_comment(ig, media, now() - timedelta(hours=1), "ours", **{"from": {"id": IG, "username": "shop"}})
    add_comment(ig, media, now() - timedelta(hours=1), "too", **{"from": {"id": "259", "username": "shop"}})
    ig.add_message("9", now(), "and this", ours=True)
    pull(account)
    assert set(Interaction.objects.values_list("direction", flat=True)) == {"outbound"}


def test_a_list_that_goes_in_circles_ends_and_is_told(ig: MetaPlatform) -> None:
    account = new_account("instagram")
    circle = {
        "data": [{"id": "1", "timestamp": stamp(now()), "media_type": "IMAGE"}],
        "paging": {"cursors": {"after": "same"}, "next": "https://graph/next?after=same"},
    }
    ig.fail(200, circle, times=50, path="/me/media")
    account = pull(account)
    assert account.health == Health.FAILING and "again and again" in account.health_text


def test_a_comparison_reads_all_comments_whatever_their_count_was(ig: MetaPlatform) -> None:
    account = new_account("instagram")
    media = add_media(ig, now() - days(5))
    inside = add_comment(ig, media, now() - days(2), "inside")
    add_comment(ig, media, now(), "after")
    pull(account)
    window = link("instagram").list_window(account, now() - days(3), now() - days(1))
    listed = [one for found in window for one in found]
    assert [one.external_id for one in listed] == [inside]


def test_what_was_deleted_is_told(ig: MetaPlatform) -> None:
    account = new_account("instagram")
    there = add_comment(ig, add_media(ig, now()), now(), "there")
    assert list(link("instagram").gone(account, [there, "170001", "aWdfmid"])) == ["170001"]


def test_mentions_that_were_only_named_are_fetched(ig: MetaPlatform) -> None:
    account = new_account("instagram")
    told = {"id": "2", "text": "@shop look", "timestamp": stamp(now()), "username": "bo"}
    ig.things[IG] = {
        "mentioned_comment": told,
        "mentioned_media": {**told, "text": None, "caption": "with @shop"},
    }
    comment, caption = link("instagram").fetch(account, ["mention:1:2", "mention:3:"]).events
    assert (comment.text, comment.external_id, comment.author.external_id) == ("@shop look", "2", "@bo")
    assert comment.thread_keys == ("mention:1:2",) and caption.thread_keys == ("mention:3:",)
    assert (caption.text, caption.external_id) == ("with @shop", "3")
    asked = [call.query["fields"] for call in ig.calls]
    assert asked[0].startswith("mentioned_comment.comment_id(2)")
    assert asked[1].startswith("mentioned_media.media_id(3)")


def test_a_dead_token_asks_for_a_login(ig: MetaPlatform) -> None:
    account = new_account("instagram")
    ig.tokens.clear()
    assert pull(account).health == Health.NEEDS_LOGIN
    with pytest.raises(AuthFailure):
        link("instagram").check(account)
