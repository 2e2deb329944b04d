"""Brings the generated shop into the workspace, through the same doors as everything else."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils import timezone

from accounts.models import Team, User
from analytics.demo import shop
from analytics.demo.advertising import load_advertising
from analytics.demo.generator import Demo, Interaction, Order, Person, Post, generate
from analytics.demo.lives import interests_of, work_of
from analytics.demo.records import write_records
from analytics.demo.surveys import surveys
from core.jobs import JobFailed, JobIsOpen, Progress
from core.models import Workspace
from crm.linkage.jobs import start_search
from crm.models import Customer
from crm.orders import LineIn, OrderIn, store_orders
from crm.people import Agreement, PersonIn, store_people
from engagement.channels import connector
from engagement.channels.base import Author, Event, PostRef
from engagement.conversations import assign, set_priority, set_status, write_note
from engagement.ingest import ingest
from engagement.models import CannedReply, ChannelAccount, Conversation, Priority, Status
from personas.nightly import start_rebuild
from personas.segments import create_segment

KIND = "demo"
ZONE = "Europe/Luxembourg"
PAGE = 500
WAIT_SECONDS = 900
WORLD_WIDE = frozenset({"email", "phone", "x", "whatsapp"})
"""Networks whose ids mean the same person everywhere; the others' ids belong to one of our accounts."""

SEGMENTS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    (
        "Regulars who fell silent",
        "Bought three times or more, and nothing was heard of them for two months",
        {"all": [
            {"field": "traits.orders_total", "op": "gte", "value": 3},
            {"field": "traits.last_seen_at", "op": "not_in_last_days", "value": 60},
        ]},
    ),
    (
        "Unhappy in public",
        "Speak in the open, and not kindly",
        {"all": [
            {"field": "traits.public_share", "op": "gte", "value": 0.5},
            {"field": "traits.sentiment", "op": "lt", "value": 0},
        ]},
    ),
    (
        "Wrote twice this month",
        "Two messages or more in the last 30 days",
        {"all": [
            {
                "event": {"what": "interaction", "direction": "inbound"},
                "op": "at_least", "count": 2, "days": 30,
            },
        ]},
    ),
)  # fmt: skip
CANNED = (
    ("thanks", "Thank you for telling us. I am looking into it and will write again today."),
    ("light", "Most of our plants like bright light without direct sun. Where does yours stand?"),
    ("returns", "You can bring it back within 30 days, or we have it fetched. Which suits you better?"),
)


def run(progress: Progress) -> dict[str, Any]:
    """Fill an empty workspace with the demo; the work of the job `demo`."""
    seed = int(progress.job.input["seed"])
    with progress.step("prepare"):
        workspace = _prepare(seed)
        now = timezone.now().astimezone(ZoneInfo(workspace.zone))
        demo = generate(seed=seed, now=now, customers=int(progress.job.input["customers"]))
    total = len(demo.people) + len(demo.interactions) + len(demo.orders)
    progress.beat(0, total, phase="customers")
    accounts = _accounts()
    _open_chat()
    with progress.step("customers") as counts:
        counts["customers"] = load_people(demo, accounts)
    done = len(demo.people)
    with progress.step("interactions") as counts:
        counts["interactions"] = 0
        for stored in load_interactions(demo, accounts):
            counts["interactions"] += stored
            progress.beat(done + counts["interactions"], total)
    with progress.step("surveys") as counts:
        counts["interactions"] = load_surveys(demo, accounts, now)
    with progress.step("orders") as counts:
        counts["orders"] = load_orders(demo)
    with progress.step("advertising") as counts:
        counts["visits"] = load_advertising(demo, accounts, seed, now)
    with progress.step("desk"):
        _set_the_desk(seed)
    _rebuild_when_free(progress)
    with suppress(JobIsOpen):
        start_search(everybody=True)
    return {"customers": len(demo.people), "interactions": len(demo.interactions), "orders": len(demo.orders)}


def _rebuild_when_free(progress: Progress) -> None:
    """Ask for a rebuild of what was loaded; one that began on the empty workspace ends first."""
    for _second in range(WAIT_SECONDS):
        try:
            start_rebuild(by_hand=True)
            return
        except JobIsOpen:
            progress.beat(phase="waiting for the rebuild that runs")
            time.sleep(1)
    raise JobFailed("The demo is in. A rebuild is still running; start another when it has ended.")


def _prepare(seed: int) -> Workspace:
    """Mark the workspace as a demo. Raises JobFailed where real customers are."""
    with transaction.atomic():
        workspace = Workspace.objects.select_for_update().get(pk=Workspace.current().pk)
        if Customer.objects.exists():
            raise JobFailed("This workspace has customers; the demo only fills an empty one.")
        workspace.name, workspace.zone, workspace.currency = shop.NAME, ZONE, shop.CURRENCY
        workspace.country, workspace.languages = "LU", ["en", "fr", "de", "es"]
        workspace.demo_since, workspace.demo_seed = timezone.now(), seed
        workspace.save()
    return workspace


def _accounts() -> dict[str, ChannelAccount]:
    team = Team.general()
    return {
        network.name: ChannelAccount.objects.create(
            connector="demo",
            network=network.name,
            external_id=network.account,
            name=network.account,
            issuer="" if network.name in WORLD_WIDE else network.account,
            team=team,
        )
        for network in shop.NETWORKS
    }


def _open_chat() -> None:
    """A chat that works, on the demo's own shop page: whoever tries it is a visitor like any other."""
    account = ChannelAccount(name=f"{shop.NAME}, website", team=Team.general(), external_id="demo")
    connector("webchat").fill_account(account, {"allowed_origins": []})
    account.save()


def _pages(rows: Iterable[Any], size: int = PAGE) -> Iterator[list[Any]]:
    source = iter(rows)
    while page := list(islice(source, size)):
        yield page


def load_people(demo: Demo, accounts: dict[str, ChannelAccount]) -> int:
    """Every person with all their handles, so that one person is one customer."""
    pages = _pages(demo.people)
    return sum(
        len(store_people([_person(one, accounts, demo.seed) for one in page], source="demo"))
        for page in pages
    )


def _person(person: Person, accounts: dict[str, ChannelAccount], seed: int) -> PersonIn:
    spoken_on = [one.network for one in person.identities]
    profession, job = work_of(seed, person.number, spoken_on)
    return PersonIn(
        name=person.name,
        handles=[
            (one.network, accounts[one.network].issuer, one.external_id, one.handle)
            for one in person.identities
        ],
        language=person.language,
        country=person.country,
        city=person.city,
        birth_year=person.birth_year,
        job=job,
        profession=profession,
        interests=interests_of(seed, person.number, spoken_on),
        tags=person.tags,
        consents=[Agreement(one.purpose, one.granted, one.at) for one in person.consents],
    )


def load_interactions(demo: Demo, accounts: dict[str, ChannelAccount]) -> Iterator[int]:
    """Pages of one account at a time, as a platform would give them; how many each stored."""
    return _load(demo, accounts, demo.interactions)


def load_surveys(demo: Demo, accounts: dict[str, ChannelAccount], now: datetime) -> int:
    """What the shop asked after its talks, and who answered."""
    return sum(_load(demo, accounts, surveys(demo.seed, demo.interactions, now)))


def _load(demo: Demo, accounts: dict[str, ChannelAccount], lines: Sequence[Interaction]) -> Iterator[int]:
    people = {person.number: person for person in demo.people}
    posts = {post.external_id: post for post in demo.posts}
    for network, account in accounts.items():
        rows = [row for row in lines if row.network == network]
        for page in _pages(rows):
            events = [_event(row, people[row.person], posts) for row in page]
            yield len(ingest(account, events, live=False).ids)


def _event(row: Interaction, person: Person, posts: dict[str, Post]) -> Event:
    handle = next((one for one in person.identities if one.network == row.network), None)
    post = posts.get(row.post)
    inbound = row.direction == "inbound"
    return Event(
        external_id=row.external_id,
        kind=row.kind,
        direction=row.direction,
        occurred_at=row.occurred_at,
        text=row.text,
        thread_keys=(row.thread_key,),
        author=Author(handle.external_id, handle.handle, person.name) if inbound and handle else None,
        public=row.public,
        subject=row.subject,
        in_reply_to=row.in_reply_to,
        rating=row.rating,
        post=_post(post) if post else None,
        staff_name=row.staff,
    )


def _post(post: Post) -> PostRef:
    return PostRef(post.external_id, post.text, media=post.media, published_at=post.published_at)


def load_orders(demo: Demo) -> int:
    """Orders by the buyer's e-mail address."""
    addresses = {
        person.number: next(one.external_id for one in person.identities if one.network == "email")
        for person in demo.people
        if any(one.network == "email" for one in person.identities)
    }
    pages = _pages(demo.orders, 1000)
    return sum(
        len(store_orders("shop", [_order(row, addresses) for row in page], live=False).ids) for page in pages
    )


def _order(row: Order, addresses: dict[int, str]) -> OrderIn:
    return OrderIn(
        external_id=row.external_id,
        customer_id=addresses[row.person],
        network="email",
        placed_at=row.placed_at,
        total=Decimal(str(row.total)),
        currency=shop.CURRENCY,
        units=row.units,
        discount=Decimal(str(row.discount)),
        refunded=Decimal(str(row.refunded)),
        lines=tuple(
            LineIn(line.name, line.product, line.category, line.units, Decimal(str(line.price)))
            for line in row.lines
        ),
    )


def _set_the_desk(seed: int) -> None:
    """What a team would have done by this morning: who has what, a note, a snoozed one, texts to call."""
    CannedReply.objects.bulk_create(
        [CannedReply(shortcut=shortcut, text=text) for shortcut, text in CANNED], ignore_conflicts=True
    )
    staff = list(User.objects.filter(is_active=True, role__in=["admin", "manager", "agent"]).order_by("pk"))
    for name, description, rule in SEGMENTS:
        create_segment(name=name, description=description, rule=rule)
    if staff:
        admin = next((one for one in staff if one.role == "admin"), None)
        if admin:
            write_records(by=admin, staff=staff, seed=seed)
        _hand_out(staff, list(Conversation.objects.open().order_by("-last_at", "-pk")[:40]))


def _hand_out(staff: Sequence[User], waiting: Sequence[Conversation]) -> None:
    for place, conversation in enumerate(waiting):
        by = staff[place % len(staff)]
        if place % 3 != 0:
            assign(conversation=conversation, to=by, by=by)
        if place % 11 == 5:
            set_status(
                conversation=conversation,
                status=Status.SNOOZED,
                until=timezone.now() + timedelta(days=2),
                by=by,
            )
        if place % 9 == 4:
            set_priority(conversation=conversation, priority=Priority.HIGH, by=by)
        if place % 7 == 1:
            text = "The greenhouse has two left of these. I asked them to put one aside until Friday."
            write_note(conversation=conversation, text=text, by=by)
