"""What a connector is: the code that knows one network, and the shapes it hands to `engagement.ingest`.

A connector reads a platform and yields `Event`s and `Change`s; it never touches the database.
`engagement.ingest` is the one door they go through, whichever way they came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms

if TYPE_CHECKING:
    from engagement.models import ChannelAccount, Delivery, RawEvent


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
    size: int = 0
    content_id: str = ""
    note: str = ""
    """Why the content is absent (too large, refused), shown in its place."""


@dataclass(frozen=True)
class PostRef:
    """Something of ours that people react to."""

    external_id: str
    text: str = ""
    url: str = ""
    media: str = ""
    published_at: datetime | None = None


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


@dataclass(frozen=True)
class Change:
    """An edit, deletion or delivery status of an interaction, which may arrive before it."""

    external_id: str
    kind: str
    """edit, delete, or status"""
    at: datetime
    text: str = ""
    status: str = ""
    error: str = ""


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
"""Finds the conversations that these thread keys lead to (`engagement.pulls.known_conversations`)."""


@dataclass(frozen=True)
class Sent:
    """What the platform said of a sent message."""

    external_id: str
    status: str = "sent"


class SendFailed(Exception):
    """A send that did not happen; the subclass says what follows from it."""


class TransientFailure(SendFailed):
    """Try again later."""


class AuthFailure(SendFailed):
    """The account's credentials do not work; it is paused and admins are told once."""


class PermanentFailure(SendFailed):
    """It will never go; the agent is told in the platform's words."""


class WindowClosed(PermanentFailure):
    """The network's reply window has ended."""


class Uncertain(SendFailed):
    """It may have been sent; never sent again by itself."""


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


class Connector:
    """One network's code. Subclasses live in `engagement/channels/<name>/connector.py`."""

    name: ClassVar[str]
    label: ClassVar[str]
    icon: ClassVar[str] = "ti-plug"
    hue: ClassVar[str] = ""
    networks: ClassVar[tuple[str, ...]] = ()
    """Networks whose events this connector can carry; () for any."""
    can_pull: ClassVar[bool] = False
    takes_pushes: ClassVar[bool] = False
    """Interactions may be pushed into its accounts over REST; nothing else tells what they must hold."""
    can_reply: ClassVar[bool] = False
    can_start: ClassVar[bool] = False
    """May begin a conversation with somebody who has not written."""
    has_subject: ClassVar[bool] = False
    has_cc: ClassVar[bool] = False
    takes_our_id: ClassVar[bool] = False
    """A repeat under the id we gave is no second message there: a send that was cut off may be repeated."""
    max_length: ClassVar[int] = 10_000
    max_attachment_bytes: ClassVar[int] = 25 * 1024 * 1024
    pull_every_seconds: ClassVar[int] = 60
    reply_window_hours: ClassVar[int | None] = None
    settings_form: ClassVar[type[forms.Form] | None] = None
    setup_template: ClassVar[str] = ""
    """A fragment for the settings page of a connected account: what is left to do outside Rapport."""
    secret_fields: ClassVar[tuple[str, ...]] = ()
    """Fields of the form that are kept encrypted; left empty, the stored value stays."""

    def count_length(self, text: str) -> int:
        """Length as the platform counts it."""
        return len(text)

    def fill_account(self, account: ChannelAccount, cleaned: Mapping[str, Any]) -> None:
        """Put a valid form's values into an account that is not saved yet, secrets apart."""
        secrets = {name: value for name, value in cleaned.items() if name in self.secret_fields and value}
        account.credentials = {**account.credentials, **secrets}
        account.settings = {
            **account.settings,
            **{name: value for name, value in cleaned.items() if name not in self.secret_fields},
        }

    def pull(self, account: ChannelAccount) -> Iterator[Page]:
        """Pages since `account.cursor`; each is ingested and committed before the next is asked for."""
        raise NotImplementedError(f"{self.name} cannot pull")

    def parse(self, raw: RawEvent) -> Sequence[Event | Change]:
        """Understand one stored body. Raises ValueError with a reason; the raw event is then parked."""
        raise NotImplementedError(f"{self.name} has no webhook")

    def admit(
        self, account: ChannelAccount, events: Sequence[Event | Change], lookup: Lookup
    ) -> Sequence[Event | Change]:
        """The events with only those thread keys that they may be believed; asked before each ingest of a
        pull. For networks on which a sender claims himself what he answers.
        """
        return events

    def send(self, outgoing: Outgoing) -> Sent:
        """Send one message. Raises a `SendFailed`; anything else counts as uncertain."""
        raise NotImplementedError(f"{self.name} cannot send")

    def check(self, account: ChannelAccount) -> None:
        """Try the credentials. Raises `AuthFailure` or `TransientFailure` in plain words."""
        return None

    def new_external_id(self, account: ChannelAccount, delivery_key: str) -> str:
        """The id under which an outgoing message is stored before it is sent."""
        return f"out:{delivery_key}"

    def thread_key_for(self, account: ChannelAccount, identity_external_id: str, external_id: str) -> str:
        """Thread key of a conversation that we begin with this identity by this message."""
        return f"dm:{identity_external_id}"

    def answer_keys(self, account: ChannelAccount, external_id: str) -> tuple[str, ...]:
        """Further thread keys by which an answer to this message of ours names it (a mail's Message-ID)."""
        return ()
