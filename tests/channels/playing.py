"""Plays payloads through the machine in any order, and writes down what the database holds afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from accounts.models import Team
from crm.models import Identity, Order
from engagement.channels.base import Change, Event
from engagement.ingest import ingest
from engagement.intake import take_parcels
from engagement.models import ChannelAccount, Conversation, Interaction, PendingChange, Post
from tests.channels.payloads import Payload, new_account, written

Accounts = dict[str, ChannelAccount]
Key = tuple[str, ...]
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class Step:
    """One thing that happens: a body that is understood, or a change of what a body said."""

    at: datetime
    name: str
    play: Callable[[Accounts], Any]


@dataclass
class Round:
    """Payloads that do not contradict each other: examples often use one id for several messages."""

    payloads: list[Payload] = field(default_factory=list)
    said: dict[Key, Any] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)

    def make_accounts(self) -> Accounts:
        """Every account that the payloads are for, by its external id."""
        found: Accounts = {}
        for payload in self.payloads:
            for told in _accounts_of(payload):
                if told["external_id"] not in found:
                    account = new_account(payload.connector, told)
                    account.pk, account.team = None, Team.general()
                    account.save()
                    found[account.external_id] = account
        return found

    def joined(self) -> list[frozenset[Key]]:
        """Threads that one message names together, by account, as wide as such messages reach."""
        groups: list[set[Key]] = []
        for home, event in _events(self.payloads):
            if len(event.thread_keys) > 1:
                keys = {(home, key) for key in event.thread_keys}
                groups = [
                    *(one for one in groups if not one & keys),
                    keys.union(*(o for o in groups if o & keys)),
                ]
        return [frozenset(group) for group in groups]


def rounds(found: Sequence[Payload]) -> list[Round]:
    """All payloads that can be understood, in as few rounds as contradictions let them be."""
    made: list[Round] = []
    for payload in found:
        if "error" in payload.told:
            continue
        said = dict(_said(payload))
        home = next((one for one in made if _agree(one.said, said)), None)
        if home is None:
            home = Round()
            made.append(home)
        home.payloads.append(payload)
        home.said |= said
    for one in made:
        one.steps = sorted(_steps(one), key=lambda step: (step.at, step.name))
    return made


def _agree(one: dict[Key, Any], other: dict[Key, Any]) -> bool:
    return all(one[key] == value for key, value in other.items() if key in one)


def _said(payload: Payload) -> Iterator[tuple[Key, Any]]:
    """Everything the payload claims, by what it must not contradict."""
    for parcel, plain in zip(payload.parse(), written(payload.parse()), strict=True):
        home = parcel.account or str((payload.told.get("account") or {}).get("external_id"))
        for event in plain.get("events", []):
            yield (home, "event", event["external_id"]), event
        for change in plain.get("changes", []):
            key = (home, change["kind"], change["external_id"], change.get("our_key", ""), change["at"])
            yield key, change
        for kind in ("posts", "orders"):
            for thing in plain.get(kind, []):
                yield (home, kind, thing["external_id"], str(thing.get("as_of"))), thing


def _accounts_of(payload: Payload) -> list[dict[str, Any]]:
    told = payload.told.get("account")
    found = [told] if told else []
    named = {parcel.account for parcel in payload.parse()} - {""} - {one["external_id"] for one in found}
    return found + [{**(told or {}), "external_id": name} for name in sorted(named)]


def _steps(round_: Round) -> Iterator[Step]:
    for payload in round_.payloads:
        yield Step(_time_of(payload), payload.id, _player(payload))
    for number, (home, event) in enumerate(_events(round_.payloads)):
        for change in _changes_of(event, number):
            yield Step(change.at, f"{change.kind} {event.external_id}", _changer(home, change))


def _time_of(payload: Payload) -> datetime:
    times = [
        one.occurred_at if isinstance(one, Event) else one.at
        for parcel in payload.parse()
        for one in parcel.events
    ]
    return min(times, default=EARLIEST)


def _player(payload: Payload) -> Callable[[Accounts], Any]:
    def play(accounts: Accounts) -> Any:
        told = payload.told.get("account")
        raw = payload.raw(accounts[told["external_id"]] if told and payload.names_account else None)
        return take_parcels(raw, payload.link.parse(raw))

    return play


def _changer(home: str, change: Change) -> Callable[[Accounts], Any]:
    return lambda accounts: ingest(accounts[home], [change])


def _events(found: Sequence[Payload]) -> list[tuple[str, Event]]:
    events: dict[Key, tuple[str, Event]] = {}
    for payload in found:
        for parcel in payload.parse():
            home = parcel.account or payload.told["account"]["external_id"]
            for one in parcel.events:
                if isinstance(one, Event):
                    events.setdefault((home, one.external_id), (home, one))
    return list(events.values())


def _changes_of(event: Event, number: int) -> list[Change]:
    """Of every three events one is edited twice, one is hidden and shown again, one edited and deleted."""
    at = event.occurred_at

    def change(kind: str, minutes: int, text: str = "") -> Change:
        return Change(event.external_id, kind, at + timedelta(minutes=minutes), text)

    return [
        [change("edit", 1, "first edit"), change("edit", 2, "second edit")],
        [change("hide", 1), change("unhide", 2), change("hide", 3)] if number % 2 else [change("hide", 1)],
        [change("edit", 1, "an edit"), change("delete", 2)],
    ][number % 3]


# What the database holds, without ids


def state(joined: Sequence[frozenset[Key]] = ()) -> list[str]:
    """One line for each thing, sorted, so that two states can be compared line by line."""
    return sorted([*_lines(), *_threads(joined), *_posts(), *_orders(), *_people(), *_waiting()])


def _lines() -> Iterator[str]:
    for one in Interaction.objects.select_related("account", "identity", "post"):
        yield (
            f"line {one.account.external_id} {one.external_id} {one.kind} {one.direction} "
            f"by {one.identity and one.identity.external_id} at {_plain(one.occurred_at)} "
            f"public={one.is_public} on={one.post and one.post.external_id} to={one.in_reply_to!r} "
            f"edited={_plain(one.edited_at)} deleted={_plain(one.deleted_at)} hidden={_plain(one.hidden_at)} "
            f"mood={one.sentiment} files={one.attachments.count()} {one.subject!r} {one.text!r}"
        )


def _threads(joined: Sequence[frozenset[Key]]) -> Iterator[str]:
    """Conversations, with those as one that some message joins: which of its threads is known first decides
    whether they are one or two, and both belong to the same customer."""
    groups: dict[Any, list[Conversation]] = {}
    for one in Conversation.objects.select_related("account", "identity"):
        home = one.account.external_id
        keys = {(home, key) for key in one.threads.values_list("thread_key", flat=True)}
        group = next((found for found in joined if found & keys), one.pk)
        groups.setdefault(group, []).append(one)
    for group, found in groups.items():
        lines = sorted(
            name for one in found for name in one.interactions.values_list("external_id", flat=True)
        )
        keys = sorted(key for one in found for key in one.threads.values_list("thread_key", flat=True))
        count = sum(one.count for one in found)
        said = f"conversation {found[0].account.external_id} {lines} by {keys} n={count}"
        if isinstance(group, frozenset):
            yield said
            continue
        (one,) = found
        owner = one.identity and one.identity.external_id
        yield f"{said} of {owner} last={one.last_text!r} waits={_plain(one.waiting_since)}"


def _posts() -> Iterator[str]:
    for one in Post.objects.select_related("account"):
        words = f"{one.text!r} {one.url} {one.media} {_plain(one.published_at)} {one.metrics}"
        yield f"post {one.account.external_id} {one.external_id} {words}"


def _orders() -> Iterator[str]:
    for one in Order.objects.select_related("identity"):
        lines = sorted((row.sku, row.title, row.units, str(row.price)) for row in one.lines.all())
        yield (
            f"order {one.source} {one.external_id} {one.status} {one.total} {one.refunded} {one.currency} "
            f"by {one.identity.external_id} at {_plain(one.placed_at)} {lines}"
        )


def _people() -> Iterator[str]:
    groups: dict[int, list[str]] = {}
    for one in Identity.objects.all():
        groups.setdefault(one.customer_id, []).append(f"{one.network}|{one.issuer}|{one.external_id}")
    for names in groups.values():
        yield f"person {sorted(names)}"


def _waiting() -> Iterator[str]:
    for one in PendingChange.objects.all():
        at = "" if one.kind == "named" else _plain(one.at)
        yield f"waiting {one.kind} {one.external_id} {at} {one.payload}"


def _plain(at: datetime | None) -> str:
    return timezone.localtime(at, UTC).isoformat() if at else "-"
