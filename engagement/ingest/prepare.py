"""Checks and cleans what a connector yields, before the database sees any of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from core.text import clean_text, is_far_future
from crm.identities import MAX_LENGTH, BadIdentity, IdentityKey, normalize
from engagement.channels.base import Author, Change, Direction, Event, File, Kind, PostRef
from engagement.models import ChannelAccount

MAX_TEXT = 50_000
"""Longer texts are cut here and kept whole as an attached file; full-text search takes a megabyte at most."""
MAX_THREAD_KEY = 500
MAX_POST_ID = 200
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
KINDS = frozenset(kind.value for kind in Kind)
CHANGES = frozenset(("edit", "delete", "hide", "unhide", "status", "files"))
DIRECTIONS = frozenset((Direction.INBOUND.value, Direction.OUTBOUND.value))


class Rejected(ValueError):
    """An event that cannot be stored, with the reason for whoever sent it."""


@dataclass
class Prepared:
    """A clean event and what the following steps find out about it."""

    event: Event
    author: IdentityKey | None
    participants: list[tuple[str, IdentityKey]] = field(default_factory=list)
    people: dict[IdentityKey, Author] = field(default_factory=dict)
    conversation_id: int | None = None
    post_id: int | None = None

    @property
    def is_said(self) -> bool:
        """Whether it belongs to a conversation; a visit is seen and not said."""
        return self.event.kind != Kind.VISIT


def prepare(account: ChannelAccount, event: Event, *, country: str, now: datetime) -> Prepared:
    """The event with texts cleaned and identities normalized. Raises Rejected."""
    _check_shape(event, now)
    event = _cleaned(event)
    prepared = Prepared(event=event, author=None)
    if event.direction == Direction.INBOUND:
        if event.author is None:
            raise Rejected("an inbound interaction needs an author")
        prepared.author = _remember(prepared, account, event.author, country)
    for role, author in event.participants:
        prepared.participants.append((role, _remember(prepared, account, author, country)))
    return prepared


def check_change(change: Change) -> None:
    """Whether a change can be applied or kept. Raises Rejected."""
    if change.external_id or not (change.our_key or change.thread_key):
        _check_id(change.external_id)
    if change.kind not in CHANGES:
        raise Rejected(f"kind {change.kind!r} is not one of {', '.join(sorted(CHANGES))}")
    _check_time("at", change.at)


def _check_id(external_id: str) -> None:
    if not external_id or len(external_id) > MAX_LENGTH:
        raise Rejected(f"external_id must have 1 to {MAX_LENGTH} characters")
    if "\x00" in external_id:
        raise Rejected("external_id holds a NUL character")
    if clean_text(external_id) != external_id:
        raise Rejected("external_id holds characters that no id has")


def _check_time(name: str, at: datetime) -> None:
    if at.tzinfo is None:
        raise Rejected(f"{name} has no time zone")
    if at < EARLIEST or is_far_future(at):
        raise Rejected(f"{name} {at.isoformat()} is before 1970 or in the future")


def _check_shape(event: Event, now: datetime) -> None:
    _check_id(event.external_id)
    if event.kind not in KINDS:
        raise Rejected(f"kind {event.kind!r} is not one of {', '.join(sorted(KINDS))}")
    if event.direction not in DIRECTIONS:
        raise Rejected(f"direction {event.direction!r} is not inbound or outbound")
    _check_time("occurred_at", event.occurred_at)
    if event.rating is not None and not 0 <= event.rating <= 10:
        raise Rejected("rating must be between 0 and 10")


def _cleaned(event: Event) -> Event:
    text = clean_text(event.text, limit=5_000_000)
    files = event.files
    if len(text) > MAX_TEXT:
        files = (*files, File(name="whole-text.txt", content_type="text/plain", content=text.encode()))
        text = text[:MAX_TEXT]
    given = (clean_text(key, limit=MAX_THREAD_KEY) for key in event.thread_keys if key.strip())
    keys = tuple(dict.fromkeys(given))
    return replace(
        event,
        text=text,
        files=files,
        subject=clean_text(event.subject, limit=300).replace("\n", " "),
        thread_keys=keys or (f"single:{event.external_id}"[:MAX_THREAD_KEY],),
        in_reply_to=clean_text(event.in_reply_to, limit=MAX_LENGTH),
        object_key=clean_text(event.object_key, limit=360),
        staff_name=clean_text(event.staff_name, limit=160),
        post=_cleaned_post(event.post),
    )


def _cleaned_post(post: PostRef | None) -> PostRef | None:
    """The post that it reacts to; None where its id cannot be one."""
    name = clean_text(post.external_id) if post else ""
    return replace(post, external_id=name) if post and 0 < len(name) <= MAX_POST_ID else None


def _remember(prepared: Prepared, account: ChannelAccount, author: Author, country: str) -> IdentityKey:
    try:
        key = key_of(account, author, country)
    except BadIdentity as error:
        raise Rejected(f"author: {error}") from error
    prepared.people.setdefault(key, author)
    return key


def key_of(account: ChannelAccount, author: Author, country: str) -> IdentityKey:
    """What makes this identity unique. Raises BadIdentity."""
    network = author.network or account.network
    issuer = author.issuer if author.network else (author.issuer or account.issuer)
    text = clean_text(author.external_id, limit=MAX_LENGTH + 1)
    return IdentityKey(network, issuer, normalize(network, text, country=country))


def author_rows(prepared: Iterable[Prepared]) -> list[dict[str, Any]]:
    """Every person of a page once, as `crm.arrivals.own_identities` takes them."""
    people: dict[IdentityKey, Author] = {}
    for one in prepared:
        for key, author in one.people.items():
            people.setdefault(key, author)
    return [person_row(key, author) for key, author in people.items()]


def person_row(key: IdentityKey, author: Author) -> dict[str, Any]:
    """One person as `crm.arrivals.own_identities` takes them."""
    return {
        "network": key.network,
        "issuer": key.issuer,
        "external_id": key.external_id,
        "handle": clean_text(author.handle or key.external_id, limit=320),
        "name": clean_text(author.name, limit=200),
        "verified": author.verified,
        **_facts(author),
    }


def _facts(author: Author) -> dict[str, Any]:
    limits = {"language": 8, "country": 2, "city": 120, "zone": 64}
    facts: dict[str, Any] = {
        name: clean_text(str(author.facts.get(name) or ""), limit=limit) for name, limit in limits.items()
    }
    year = author.facts.get("birth_year")
    facts["birth_year"] = year if isinstance(year, int) and 1900 <= year <= 2100 else None
    return facts
