"""What a connector is: the code that knows one network.

A connector reads a platform and yields the shapes of `engagement.channels.shapes`; it never touches the
database. `engagement.ingest` is the one door they go through, whichever way they came. The machine around it
(`engagement.pulls`, `hooks`, `outbox`, `reconciling`, `media`) decides when it is asked, keeps its cursor and
its credentials, and writes down what came of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.conf import settings

from engagement.channels.failures import (
    AuthFailure,
    ByHand,
    PermanentFailure,
    PermissionMissing,
    RateReached,
    SendFailed,
    TokenExpired,
    TransientFailure,
    Uncertain,
    WindowClosed,
    from_http,
    translated,
)
from engagement.channels.shapes import (
    Act,
    Author,
    Bad,
    Change,
    Direction,
    Event,
    File,
    Finding,
    Forged,
    Fresh,
    Hook,
    HookAnswer,
    Kind,
    KnownConversation,
    Limits,
    Listed,
    Login,
    Lookup,
    Offer,
    Outgoing,
    Page,
    Parcel,
    PostRef,
    PrivacyAsk,
    Rate,
    Refusal,
    Sent,
    Subscription,
    Target,
    VisitFacts,
)

if TYPE_CHECKING:
    from engagement.models import ChannelAccount, RawEvent

__all__ = [
    "Act", "AuthFailure", "Author", "Bad", "ByHand", "Change", "Connector", "Direction", "Event",
    "File", "Finding", "Forged", "Fresh", "Hook", "HookAnswer", "Kind", "KnownConversation",
    "Limits", "Listed", "Login", "Lookup", "Offer", "Outgoing", "Page", "Parcel",
    "PermanentFailure", "PermissionMissing", "PostRef", "PrivacyAsk", "Rate", "RateReached",
    "Refusal", "SendFailed", "Sent", "Subscription", "Target", "TokenExpired", "TransientFailure",
    "Uncertain", "VisitFacts", "WindowClosed", "app_keys", "from_http", "platform_url",
    "translated",
]  # fmt: skip


COUNTED = 20_000
"""Characters; a longer text is over the limit of every platform that counts in its own way."""


def app_keys(name: str) -> Mapping[str, str]:
    """The operator's own app on a platform: `CHANNEL_APP_<NAME>_ID` and the like, by their last word."""
    found: Mapping[str, str] = settings.CHANNEL_APPS.get(name, {})
    return found


def platform_url(name: str, default: str) -> str:
    """Where a platform is; `CHANNEL_URLS` names another place (a proxy, a stand-in for tests)."""
    return str(settings.CHANNEL_URLS.get(name, default)).rstrip("/")


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
    start_networks: ClassVar[tuple[str, ...]] = ()
    """Where it may, of the networks that it carries; () for all of them."""
    has_subject: ClassVar[bool] = False
    has_cc: ClassVar[bool] = False
    takes_our_id: ClassVar[bool] = False
    """A repeat under the id we gave is no second message there: a send that was cut off may be repeated."""
    reads_back: ClassVar[bool] = False
    """`find_sent` can tell whether a message that was cut off is there."""
    takes_hooks: ClassVar[bool] = False
    """The platform sends webhooks; `hook_scope` says whether each account has an address of its own."""
    hook_scope: ClassVar[str] = "account"
    """account, or app: one address for all accounts, and the body names whose it is."""
    hook_headers: ClassVar[tuple[str, ...]] = ()
    """Names (lower case) of the headers that are kept beside the body."""
    subscribes: ClassVar[bool] = False
    """Webhooks are asked for by `subscribe`; where not, a person sets them up on the platform."""
    reconciles: ClassVar[bool] = False
    """The platform can say what it has of a window of time (`list_window`)."""
    lists_orders: ClassVar[bool] = False
    """What `list_window` lists are orders, without an event, so that `fetch` gives them."""
    why_not_compared: ClassVar[str] = ""
    """Where it cannot be compared: the reason, as one sentence for the health page."""
    reads_history: ClassVar[bool] = False
    """What was said before the connection can be pulled too; `settings["only_new"]` is True where nobody
    wants it."""
    logs_in: ClassVar[bool] = False
    """Connected by a login on the platform (`begin_login`, `finish_login`) instead of keys alone."""
    watches: ClassVar[bool] = False
    """A connection held open can say at once that something is new (`watch`); pulls go on beside it."""
    repeats_are_edits: ClassVar[bool] = False
    """What is pushed or imported again with other words was edited there (a review)."""
    refreshes: ClassVar[bool] = False
    """Its access tokens end, and `refresh` gives new ones."""
    has_metrics: ClassVar[bool] = False
    can_publish: ClassVar[bool] = False
    takes_files: ClassVar[bool] = False
    """Answers may carry files."""
    acts: ClassVar[frozenset[Act]] = frozenset()
    rates: ClassVar[tuple[Rate, ...]] = ()
    scopes: ClassVar[Mapping[str, str]] = {}
    """Permissions that it needs, in the platform's word, each with what it is for."""
    about: ClassVar[str] = ""
    """One sentence for the card in Settings: what comes in and what goes out."""
    needs: ClassVar[tuple[str, ...]] = ()
    """What somebody needs before connecting, one sentence each."""
    keys_of: ClassVar[str] = ""
    """Name of the operator's app (`app_keys`) without which a login is not possible; '' for none."""
    app_parts: ClassVar[tuple[str, ...]] = ("id", "secret")
    """The parts of that app which must be given: `CHANNEL_APP_<NAME>_<PART>`."""
    max_length: ClassVar[int] = 10_000
    max_attachment_bytes: ClassVar[int] = 25 * 1024 * 1024
    pull_every_seconds: ClassVar[int] = 60
    reply_window_hours: ClassVar[int | None] = None
    settings_form: ClassVar[type[forms.Form] | None] = None
    setup_template: ClassVar[str] = ""
    """A fragment for the settings page of a connected account: what is left to do outside Rapport."""
    secret_fields: ClassVar[tuple[str, ...]] = ()
    """Fields of the form that are kept encrypted; left empty, the stored value stays."""
    sent_to: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Settings that say where secrets are sent, each with those secrets: whoever changes one types them
    again, so that nobody learns a stored password by pointing the account at a server of their own."""

    def may_start(self, network: str) -> bool:
        """Whether its accounts of this network may begin a conversation."""
        return self.can_start and (not self.start_networks or network in self.start_networks)

    def count_length(self, text: str) -> int:
        """Length as the platform counts it."""
        return len(text)

    def length_of(self, text: str) -> int:
        """Length as the platform counts it; of what no platform takes, its characters, which cost no time."""
        return len(text) if len(text) > COUNTED else self.count_length(text)

    def length_note(self, text: str) -> str:
        """What a writer should know of this length beside the number (that it costs several messages)."""
        return ""

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

    # Webhooks

    def greet(self, hook: Hook, account: ChannelAccount | None) -> HookAnswer | None:
        """The answer to a platform that only tries the address; None for everything else. Raises Forged."""
        return None

    def speaks_for(self, account: ChannelAccount, other: ChannelAccount) -> bool:
        """Whether what came for one account may say something of another: whoever can sign for the first
        then speaks for the second too, so both must be one owner's."""
        return self.hook_scope == "app"

    def verify(self, hook: Hook, account: ChannelAccount | None) -> None:
        """Check the signature over the raw bytes in constant time. Raises Forged; also without a secret.

        `account` is None where one address serves all accounts. No database, no network, no parsing.
        """
        raise NotImplementedError(f"{self.name} has no webhook")

    def delivery_key(self, hook: Hook) -> str:
        """The platform's own id of this delivery, the same when it is repeated; '' for none."""
        return ""

    def hook_answer(self, hook: Hook) -> HookAnswer:
        """What is said once the body is stored."""
        return HookAnswer()

    def hook_answer_for(self, hook: Hook, account: ChannelAccount | None) -> HookAnswer:
        """The same where it depends on the account's settings (what a telephone says to a caller)."""
        return self.hook_answer(hook)

    def parse(self, raw: RawEvent) -> Sequence[Parcel]:
        """Understand one stored body. Raises ValueError with a reason; the raw event is then parked."""
        raise NotImplementedError(f"{self.name} has no webhook")

    def subscribe(self, account: ChannelAccount, address: str) -> Subscription:
        """See to it that the platform sends webhooks to this address; asked at connecting and daily."""
        raise NotImplementedError(f"{self.name} cannot subscribe")

    def hook_copied(self, account: ChannelAccount) -> Sequence[tuple[str, str]]:
        """What a person copies into the platform beside the webhook's address: (label, value)."""
        return ()

    def unsubscribe(self, account: ChannelAccount) -> None:
        """Take the webhooks off again; asked when the account is disconnected."""
        return None

    # Watching

    def watch_places(self, account: ChannelAccount) -> Sequence[str]:
        """What is watched for this account, one connection each, the most important first."""
        return ("",)

    def watch(
        self, account: ChannelAccount, place: str, *, tell: Callable[[], None], ended: Callable[[], bool]
    ) -> None:
        """Hold a connection and call `tell` when it stands and whenever something is new there.

        Returns soon after `ended` says so, or when the platform has nothing to watch by; raises SendFailed
        when the connection fails. It runs in a thread of its own: no database.
        """
        raise NotImplementedError(f"{self.name} cannot be watched")

    # Connecting

    def wants_login(self, cleaned: Mapping[str, Any]) -> bool:
        """Whether these values of the form lead to a login on the platform, not to keys alone."""
        return self.logs_in

    def begin_login(self, cleaned: Mapping[str, Any], *, state: str, back_to: str) -> Login:
        """Where the browser goes for a login. `cleaned` is what the form asked before; PKCE's verifier and
        the like go into `remembered`. Raises SendFailed in plain words."""
        raise NotImplementedError(f"{self.name} has no login")

    def finish_login(
        self, query: Mapping[str, str], remembered: Mapping[str, Any], *, back_to: str
    ) -> Sequence[Offer]:
        """The accounts that the login gives us. Raises SendFailed in plain words; also for a refusal."""
        raise NotImplementedError(f"{self.name} has no login")

    def refresh(self, account: ChannelAccount) -> Fresh:
        """New credentials for old ones. The caller holds the account's refresh lease and stores them before
        they are used. Raises AuthFailure where only a person can help, TransientFailure otherwise."""
        raise NotImplementedError(f"{self.name} does not refresh")

    def examine(self, account: ChannelAccount) -> Sequence[Finding]:
        """Try every permission, each alone. The default tries the credentials as a whole."""
        try:
            self.check(account)
        except SendFailed as failure:
            return [Finding("credentials", works=False, text=str(failure), remedy=failure.advice)]
        return [Finding("credentials", works=True)]

    # Accounting for what was received

    def list_window(
        self, account: ChannelAccount, since: datetime, until: datetime
    ) -> Iterator[Sequence[Listed]]:
        """What the platform has that was said to this account in [since, until), in any order."""
        raise NotImplementedError(f"{self.name} cannot be compared")

    def fetch(self, account: ChannelAccount, external_ids: Sequence[str]) -> Page:
        """The things of `list_window` that came without an event, and those that a webhook only named
        (`Parcel.named`); its cursor is not used."""
        raise NotImplementedError(f"{self.name} lists whole events")

    def gone(self, account: ChannelAccount, external_ids: Sequence[str]) -> Sequence[str]:
        """Those of these ids that surely exist no more on the platform; default: cannot tell."""
        return ()

    def fetch_file(self, account: ChannelAccount, file: File, *, most: int) -> File:
        """The file with its content, at most `most` bytes. Raises SendFailed.

        The default asks its URL without credentials, and never at a private address.
        """
        from engagement.channels.fetching import fetch_public

        return fetch_public(file, most=most)

    def adapt(self, account: ChannelAccount, event: Event) -> Event:
        """An event that another system pushed or a file holds, as this account keeps its like."""
        return event

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

    def find_sent(self, outgoing: Outgoing) -> Sent | None:
        """Read back whether a message that was cut off is there; None where it surely is not.

        Raises SendFailed where that cannot be told now.
        """
        raise NotImplementedError(f"{self.name} cannot read back")

    def act(self, account: ChannelAccount, act: Act, target: Target) -> None:
        """Hide, like, delete or block. Raises a `SendFailed`; done twice it is as done once."""
        raise NotImplementedError(f"{self.name} cannot do that")

    def limits(self, account: ChannelAccount, *, public: bool) -> Limits:
        """What one message may hold here, in public or in private."""
        hours = self.reply_window_hours
        return Limits(
            length=self.max_length,
            file_bytes=self.max_attachment_bytes,
            window=timedelta(hours=hours) if hours else None,
        )

    def order_source(self, account: ChannelAccount) -> str:
        """Who gives the ids of the orders that come through this account."""
        return account.external_id

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
