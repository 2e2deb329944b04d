"""The shapes that travel between a connector and the rest: what was said, by whom, and what became of it.

All of them are plain and frozen. A connector makes them out of a platform's words and hands them over; none
of them knows the database.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crm.orders import OrderIn
    from engagement.models import ChannelAccount, Delivery


class Kind(StrEnum):
    """What sort of touch an interaction is."""

    MESSAGE = "message"
    COMMENT = "comment"
    MENTION = "mention"
    REVIEW = "review"
    CALL = "call"
    VISIT = "visit"
    SURVEY = "survey"
    NOTE = "note"


class Direction(StrEnum):
    """Who spoke: the customer, we, or staff among themselves."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"
    INTERNAL = "internal"


@dataclass(frozen=True)
class Author:
    """Who wrote it, as the network knows them.

    `issuer` is '' where the network's ids are world-wide, else the page, shop or site that gave the id.
    `network` overrides the account's (a chat visitor who left an e-mail address stays a chat identity).
    """

    external_id: str
    handle: str = ""
    name: str = ""
    network: str = ""
    issuer: str = ""
    verified: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Profile facts the network told: language, country, city, birth_year, zone. They fill what is blank;
    what is known of a customer already is never overwritten."""


@dataclass(frozen=True)
class File:
    """An attachment: its bytes at once, or where a worker fetches them."""

    name: str
    content_type: str
    content: bytes = b""
    url: str = ""
    """Where the content is; a connector that must ask for it first puts the platform's own id here and
    overrides `fetch_file`."""
    size: int = 0
    content_id: str = ""
    note: str = ""
    """Why the content is absent (too large, refused), shown in its place."""


@dataclass(frozen=True)
class PostRef:
    """Something of ours that people react to.

    `media` is text, image, video, album, story, link or audio. An event names its post by the id alone where
    it knows no more; what a pull of posts tells fills it in.
    """

    external_id: str
    text: str = ""
    url: str = ""
    media: str = ""
    published_at: datetime | None = None
    metrics: Mapping[str, int] = field(default_factory=dict)
    """How people reacted, as the network counts: likes, comments, shares, views, reach, saves."""
    as_of: datetime | None = None
    """When it was so on the network (an edit's time); None is the moment at which it came in."""


@dataclass(frozen=True)
class VisitFacts:
    """What a site or an app told about one visit; `intent` is a value of `engagement.models.Intent`."""

    event: str
    url: str = ""
    referrer: str = ""
    properties: Mapping[str, Any] = field(default_factory=dict)
    intent: str = ""


@dataclass(frozen=True)
class Event:
    """One interaction as it arrived.

    `external_id` is unique in the account. `thread_keys` names the threads it may belong to, the surest
    first: the first one already known decides the conversation, and the others are remembered for it.
    `occurred_at` is aware. Inbound needs an author; outbound belongs to no customer. A visit belongs to no
    conversation: nobody answers it.
    """

    external_id: str
    kind: str
    direction: str
    occurred_at: datetime
    text: str
    thread_keys: tuple[str, ...]
    author: Author | None = None
    public: bool = False
    subject: str = ""
    html: str = ""
    in_reply_to: str = ""
    """External id of the interaction it answers, '' for none."""
    object_key: str = ""
    rating: int | None = None
    post: PostRef | None = None
    files: tuple[File, ...] = ()
    participants: tuple[tuple[str, Author], ...] = ()
    """Others in the conversation: (role cc or other, who)."""
    is_automatic: bool = False
    """An auto-reply or bounce: kept and shown, but it neither reopens nor waits for an answer."""
    staff_name: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)
    visit: VisitFacts | None = None
    our_key: str = ""
    """On an echo: the delivery's `client_key` that we sent along and the network gives back."""


@dataclass(frozen=True)
class Change:
    """An edit, deletion, hiding or delivery status of an interaction, which may arrive before it.

    `kind` is edit, delete, hide, unhide, status or files (a recording that is ready after its call: the files
    are added to those that are there). A status may name our message by `our_key` (the delivery's
    `client_key`) where the network gave that back and its own id is not known here yet. One with a
    `thread_key` and no id is about everything that we sent in that thread up to `at`.
    """

    external_id: str
    kind: str
    at: datetime
    text: str = ""
    status: str = ""
    error: str = ""
    our_key: str = ""
    files: tuple[File, ...] = ()
    """Where the content is, by URL; without the content itself."""
    thread_key: str = ""
    rating: int | None = None
    """With an edit of a review: the rating that it has then; None leaves it."""


@dataclass(frozen=True)
class Refusal:
    """Somebody told the network that they want no more of this (a STOP by text message)."""

    author: Author
    purposes: tuple[str, ...]
    """As `crm.purposes` names them."""
    at: datetime
    proof: str


@dataclass(frozen=True)
class PrivacyAsk:
    """A network asks, for one of its customers, that we hand out or erase what we hold: a task for staff."""

    people: tuple[Author, ...]
    """Every identity that it names for this one person."""
    title: str
    """What is to be done, with the network's own id of the request."""
    days: int
    """How long we have."""


@dataclass(frozen=True)
class Bad:
    """An item that could not be understood; parked as RawEvent with its reason and bytes."""

    delivery_key: str
    error: str
    body: bytes = b""


@dataclass(frozen=True)
class Page:
    """One page of a pull and the cursor that goes with it; both are saved in one transaction."""

    events: Sequence[Event | Change]
    cursor: Mapping[str, Any]
    bad: Sequence[Bad] = ()
    more: bool = False
    history: bool = False
    """Older than the connection: nobody is notified, and old conversations arrive resolved."""
    posts: Sequence[PostRef] = ()
    orders: Sequence[OrderIn] = ()
    people: Sequence[Author] = ()
    """Customers whom the platform lists although they said nothing here (a shop's address book)."""
    links: Sequence[tuple[Author, Author]] = ()
    """Two identities that the network itself vouches for as one person (a number and its user id)."""
    refusals: Sequence[Refusal] = ()
    asks: Sequence[PrivacyAsk] = ()


@dataclass(frozen=True)
class Parcel:
    """What one stored body holds for one account.

    `account` is the account's external id where a body names several of them; '' is the account at whose own
    address the body arrived.
    """

    events: Sequence[Event | Change] = ()
    account: str = ""
    posts: Sequence[PostRef] = ()
    orders: Sequence[OrderIn] = ()
    people: Sequence[Author] = ()
    links: Sequence[tuple[Author, Author]] = ()
    revoked: str = ""
    """Why the account's credentials are no longer good, where the network says so by itself."""
    named: Sequence[str] = ()
    """Things that the body names without saying them; a worker asks for them by `fetch` afterwards."""
    refusals: Sequence[Refusal] = ()
    asks: Sequence[PrivacyAsk] = ()


@dataclass(frozen=True)
class KnownConversation:
    """A conversation that one of an event's ids leads to, as far as a connector needs it to judge."""

    conversation_id: int
    thread_key: str
    """One of its keys, which surely leads there."""
    people: frozenset[str]
    """External ids of everybody who wrote in it or was written to."""
    subject: str = ""


Lookup = Callable[[Sequence[str]], Mapping[str, KnownConversation]]
"""Finds the conversations that these thread keys lead to (`engagement.intake.known_conversations`)."""


@dataclass(frozen=True)
class Sent:
    """What the platform said of a sent message."""

    external_id: str
    status: str = "sent"


@dataclass(frozen=True)
class Outgoing:
    """Everything a connector needs to send one message, gathered in one query by the outbox."""

    delivery: Delivery
    account: ChannelAccount
    text: str
    html: str
    subject: str
    external_id: str
    """The id we gave it; a platform that takes ours uses it, so a repeat is no second message."""
    in_reply_to: str
    references: tuple[str, ...]
    to: Sequence[Author]
    cc: Sequence[str]
    bcc: Sequence[str]
    thread_key: str
    files: Sequence[File]
    sender_name: str
    public: bool = False
    post_external_id: str = ""
    key: str = ""
    """The delivery's `client_key`: goes along where the network gives something of ours back."""


class Act(StrEnum):
    """What we can do on a network beside answering."""

    HIDE = "hide"
    UNHIDE = "unhide"
    LIKE = "like"
    UNLIKE = "unlike"
    DELETE = "delete"
    BLOCK = "block"
    UNBLOCK = "unblock"


@dataclass(frozen=True)
class Target:
    """What an act is about: an interaction and its author, as the network knows them."""

    external_id: str
    author: Author | None
    public: bool
    kind: str
    direction: str
    thread_key: str = ""
    post_external_id: str = ""


# Limits


@dataclass(frozen=True)
class Limits:
    """What one message may hold on this account. Sizes in bytes; `file_types` like image/png or image/*."""

    length: int
    files: int = 10
    file_bytes: int = 25 * 1024 * 1024
    file_types: tuple[str, ...] = ()
    """() for any."""
    window: timedelta | None = None
    """How long after the customer's last word we may answer; None for ever."""


@dataclass(frozen=True)
class Rate:
    """An allowance of the platform: `count` calls in `seconds`, per account, app or person written to."""

    name: str
    count: int
    seconds: float
    per: str = "account"


# Webhooks


@dataclass(frozen=True)
class Hook:
    """One request to our webhook address, with its bytes untouched.

    `url` is the public address as the platform was told it, with the query; header names are lower case.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class HookAnswer:
    """What we say to a webhook at once."""

    body: str = ""
    content_type: str = "text/plain"
    status: int = 200


class Forged(Exception):
    """A webhook whose signature is missing or wrong."""


@dataclass(frozen=True)
class Subscription:
    """Whether the platform sends us webhooks for an account, and until when."""

    active: bool
    text: str = ""
    expires_at: datetime | None = None
    secrets: Mapping[str, str] = field(default_factory=dict)
    """Credentials that came with it (a webhook's own secret), to be kept encrypted."""
    settings: Mapping[str, Any] = field(default_factory=dict)


# Connecting


@dataclass(frozen=True)
class Offer:
    """One account that a login gives us: what it is called, and everything needed to use it."""

    external_id: str
    name: str
    network: str = ""
    issuer: str = ""
    credentials: Mapping[str, Any] = field(default_factory=dict, repr=False)
    settings: Mapping[str, Any] = field(default_factory=dict)
    scopes: tuple[str, ...] = ()
    expires_at: datetime | None = None
    why_not: str = ""
    """Why it cannot be connected, shown in its place."""


@dataclass(frozen=True)
class Login:
    """Where to send the browser for a login by OAuth 2, and what must be remembered until it comes back."""

    url: str
    remembered: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Fresh:
    """Credentials after a refresh; all of the account's credentials, not only what changed."""

    credentials: Mapping[str, Any] = field(repr=False)
    expires_at: datetime | None = None


@dataclass(frozen=True)
class Finding:
    """One line of a self-test: what was tried, whether it works, and what to do where it does not."""

    name: str
    works: bool
    text: str = ""
    remedy: str = ""
    scope: str = ""
    """The permission that it needs, in the platform's own word."""


@dataclass(frozen=True)
class Listed:
    """One thing that the platform says it has; `event` where it came along with the list."""

    external_id: str
    at: datetime
    event: Event | None = None
