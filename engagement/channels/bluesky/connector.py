"""The Bluesky connector: one account, read by pulling, answered by records of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from core import http
from engagement.channels.base import (
    Act,
    AuthFailure,
    Connector,
    File,
    Finding,
    Fresh,
    Limits,
    Listed,
    Outgoing,
    Page,
    Parcel,
    PermanentFailure,
    Rate,
    SendFailed,
    Sent,
    Target,
    TokenExpired,
    translated,
)
from engagement.channels.bluesky import acting, comparing, identity, pulling, sending
from engagement.channels.bluesky.client import Xrpc, do, expiry_of, service_url, sign_in_again
from engagement.channels.bluesky.events import understand
from engagement.channels.bluesky.forms import BlueskyForm
from engagement.channels.bluesky.richtext import count_graphemes
from engagement.channels.fields import Json, load, maybe_text
from engagement.models import ChannelAccount, RawEvent

SESSION = timedelta(hours=1)
"""How long an access token is taken to last where it does not say so itself."""


class BlueskyConnector(Connector):
    """One account. Identities are DIDs, which are world-wide, so the issuer is ''."""

    name = "bluesky"
    label = "Bluesky"
    icon = "ti-brand-bluesky"
    hue = "bluesky"
    networks = ("bluesky",)
    can_pull = True
    can_reply = True
    takes_our_id = True
    reads_back = True
    reconciles = True
    refreshes = True
    has_metrics = True
    takes_files = True
    reads_history = True
    acts = acting.ACTS
    max_length = 1000
    max_attachment_bytes = sending.PICTURES * sending.PICTURE_BYTES
    pull_every_seconds = 60
    settings_form = BlueskyForm
    secret_fields: ClassVar[tuple[str, ...]] = ("app_password",)
    sent_to: ClassVar[Mapping[str, tuple[str, ...]]] = {"handle": ("app_password",)}
    rates = (Rate("pull", 3000, 300.0), Rate("send", 1600, 3600.0), Rate("send", 11_000, 86_400.0))
    scopes: ClassVar[Mapping[str, str]] = {
        "com.atproto.appPass": gettext_noop("read notifications, write posts"),
        "com.atproto.appPassPrivileged": gettext_noop("direct messages as well"),
    }
    about = gettext_noop(
        "Mentions, replies, quotes and direct messages come in; answers, likes and blocks go out."
    )
    needs = (
        gettext_noop("The handle of your account."),
        gettext_noop("An app password with access to direct messages, made in Bluesky's settings."),
    )

    def count_length(self, text: str) -> int:
        """Letters as a reader sees them: Bluesky counts graphemes."""
        return count_graphemes(text)

    def limits(self, account: ChannelAccount, *, public: bool) -> Limits:
        return sending.limits(public=public)

    # Connecting

    def fill_account(self, account: ChannelAccount, cleaned: Mapping[str, Any]) -> None:
        """Signs in: only Bluesky can say which account a handle is, and whether the password is right."""
        super().fill_account(account, cleaned)
        where = identity.find(str(cleaned["handle"]))
        fresh = _session(where.did, where.pds, str(account.credentials.get("app_password", "")))
        if account.external_id != where.did:
            account.cursor = {}
        account.network, account.external_id = self.networks[0], where.did
        account.credentials = {**account.credentials, **fresh.credentials}
        account.token_expires_at = fresh.expires_at
        account.settings = {**account.settings, "handle": where.handle}
        account.name = account.name or where.handle

    def check(self, account: ChannelAccount) -> None:
        """Try the session, and direct messages where they are wanted. Raises SendFailed."""
        with Xrpc(account) as xrpc:
            xrpc.get("com.atproto.server.getSession")
            if account.settings.get("direct_messages"):
                xrpc.get("chat.bsky.convo.listConvos", {"limit": 1}, chat=True)

    def refresh(self, account: ChannelAccount) -> Fresh:
        """By the refresh token; with the app password where that is dead. Raises AuthFailure."""
        known = account.credentials
        token = str(known.get("refresh_token", ""))
        if token:
            try:
                with http.Client(
                    service_url(str(known.get("pds", ""))),
                    user_given=True,
                    headers={"Authorization": f"Bearer {token}"},
                ) as client:
                    answer = do(client, "com.atproto.server.refreshSession", None)
                return _fresh(answer, known)
            except TokenExpired:
                pass
        pds = identity.service_of(account.external_id)
        fresh = _session(account.external_id, pds, str(known.get("app_password", "")))
        return replace(fresh, credentials={**known, **fresh.credentials})

    def examine(self, account: ChannelAccount) -> Sequence[Finding]:
        """Session, notifications and direct messages, each alone."""
        probes = [
            ("session", "com.atproto.appPass", "com.atproto.server.getSession", False),
            ("notifications", "com.atproto.appPass", "app.bsky.notification.getUnreadCount", False),
        ]
        if account.settings.get("direct_messages"):
            method = "chat.bsky.convo.listConvos"
            probes.append(("direct messages", "com.atproto.appPassPrivileged", method, True))
        return [_probe(account, *probe) for probe in probes]

    # In

    def pull(self, account: ChannelAccount) -> Iterator[Page]:
        return pulling.pages(account)

    def parse(self, raw: RawEvent) -> Sequence[Parcel]:
        """One item of a pull. Raises ValueError with the reason it is not understood."""
        if raw.account is None:
            raise ValueError("The item belongs to no account.")
        events, posts = understand(load(bytes(raw.body)), raw.account.external_id)
        return [Parcel(events, posts=posts)]

    def fetch_file(self, account: ChannelAccount, file: File, *, most: int) -> File:
        """From the server that keeps its author, which only that author's DID document names."""
        did, _slash, cid = file.url.partition("/")
        base = identity.service_of(did)
        with translated(), http.Client(base, user_given=True, max_bytes=most) as client:
            answer = client.get("xrpc/com.atproto.sync.getBlob", params={"did": did, "cid": cid})
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        return replace(
            file, content=answer.body, content_type=kind or file.content_type, size=len(answer.body)
        )

    def list_window(
        self, account: ChannelAccount, since: datetime, until: datetime
    ) -> Iterator[Sequence[Listed]]:
        return comparing.list_window(account, since, until)

    def gone(self, account: ChannelAccount, external_ids: Sequence[str]) -> Sequence[str]:
        return comparing.gone(account, external_ids)

    # Out

    def send(self, outgoing: Outgoing) -> Sent:
        return sending.send(outgoing)

    def find_sent(self, outgoing: Outgoing) -> Sent | None:
        return sending.find_sent(outgoing)

    def act(self, account: ChannelAccount, act: Act, target: Target) -> None:
        with Xrpc(account, bucket="send") as xrpc:
            acting.act(xrpc, act, target)


def _session(identifier: str, pds: str, password: str) -> Fresh:
    """A new session. Bluesky allows few of them a day, so only where no refresh token serves."""
    if not password:
        raise AuthFailure(_("There is no app password."), advice=sign_in_again())
    body = {"identifier": identifier, "password": password}
    with http.Client(service_url(pds), user_given=True, secrets=[password]) as client:
        return _fresh(do(client, "com.atproto.server.createSession", body), {"pds": pds})


def _fresh(answer: Json, known: Mapping[str, Any]) -> Fresh:
    access, refresh = maybe_text(answer, "accessJwt"), maybe_text(answer, "refreshJwt")
    if not access or not refresh:
        raise PermanentFailure(_("Bluesky gave no session."))
    if answer.get("active") is False:
        raise AuthFailure(
            _("Bluesky says that this account is not active (%(status)s).")
            % {"status": maybe_text(answer, "status") or _("no reason given")}
        )
    tokens = {"access_token": access, "refresh_token": refresh}
    return Fresh({**known, **tokens}, expiry_of(access) or timezone.now() + SESSION)


def _probe(account: ChannelAccount, name: str, scope: str, method: str, chat: bool) -> Finding:
    try:
        with Xrpc(account) as xrpc:
            xrpc.get(method, {"limit": 1} if chat else None, chat=chat)
    except SendFailed as failure:
        return Finding(name, works=False, text=str(failure), remedy=failure.advice, scope=scope)
    return Finding(name, works=True, scope=scope)
