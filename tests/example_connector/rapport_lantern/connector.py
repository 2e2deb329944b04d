"""Lantern: what it is, what it can do, and how its parts are called."""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, ClassVar

from engagement.channels.base import (
    Connector,
    Forged,
    Hook,
    Limits,
    Listed,
    Outgoing,
    Page,
    Parcel,
    Rate,
    Sent,
    TransientFailure,
)
from engagement.models import ChannelAccount, RawEvent
from rapport_lantern import events
from rapport_lantern.client import Client
from rapport_lantern.forms import LanternForm


class LanternConnector(Connector):
    """One account at Lantern. Ids of people are world-wide there, so the issuer is ''."""

    name = "lantern"
    label = "Lantern"
    icon = "ti-message-circle"
    about = "Messages come in by webhook and by pulling; answers go out from the inbox."
    needs: ClassVar[tuple[str, ...]] = ("An access token and a webhook secret from Lantern's settings.",)
    networks = (events.NETWORK,)
    can_pull = True
    can_reply = True
    takes_our_id = True
    takes_hooks = True
    hook_headers: ClassVar[tuple[str, ...]] = ("x-signature",)
    reconciles = True
    rates: ClassVar[tuple[Rate, ...]] = (Rate("pull", 60, 60.0), Rate("send", 60, 60.0))
    max_length = 1_000
    pull_every_seconds = 60
    settings_form = LanternForm
    secret_fields: ClassVar[tuple[str, ...]] = ("access_token", "hook_secret")

    # Connecting

    def fill_account(self, account: ChannelAccount, cleaned: Mapping[str, Any]) -> None:
        """The account is known by its id there."""
        super().fill_account(account, cleaned)
        account.network = events.NETWORK
        account.external_id = cleaned["account_id"]

    def check(self, account: ChannelAccount) -> None:
        """Ask who we are there. Raises AuthFailure or TransientFailure."""
        with Client(account) as client:
            client.me()

    # In

    def pull(self, account: ChannelAccount) -> Iterator[Page]:
        """Pages after the cursor, oldest first; a page and its cursor are saved together."""
        after = str(account.cursor.get("after", ""))
        with Client(account) as client:
            while True:
                found = client.messages(after=after)
                understood, bad = events.understood(found["messages"])
                if found["more"] and found["next"] in ("", after):
                    raise TransientFailure("Lantern gives the same page again and again.")
                after = found["next"] or after
                yield Page(understood, {"after": after}, bad, more=found["more"])
                if not found["more"]:
                    return

    def verify(self, hook: Hook, account: ChannelAccount | None) -> None:
        """HMAC-SHA256 over the raw body with the account's own secret, in hex."""
        secret = str(account.credentials.get("hook_secret", "")) if account else ""
        told = hook.headers.get("x-signature", "")
        made = hmac.new(secret.encode(), hook.body, sha256).hexdigest()
        if not secret or not hmac.compare_digest(told.encode(), made.encode()):
            raise Forged("The signature is wrong.")

    def parse(self, raw: RawEvent) -> Sequence[Parcel]:
        """A webhook's body, or one item of a pull that was parked. Raises ValueError with a reason."""
        return [Parcel(events.of_body(bytes(raw.body)))]

    def list_window(
        self, account: ChannelAccount, since: datetime, until: datetime
    ) -> Iterator[Sequence[Listed]]:
        """What was said there in [since, until); everything comes as a whole, so nothing is fetched apart."""
        after = ""
        with Client(account) as client:
            while True:
                found = client.messages(after=after, since=since, until=until)
                understood, _bad = events.understood(found["messages"])
                yield [Listed(one.external_id, one.occurred_at, one) for one in understood]
                if not found["more"] or found["next"] in ("", after):
                    return
                after = found["next"]

    # Out

    def limits(self, account: ChannelAccount, *, public: bool) -> Limits:
        return Limits(length=self.max_length, files=0)

    def send(self, outgoing: Outgoing) -> Sent:
        """One message under our key: sent twice, it is there once."""
        with Client(outgoing.account, bucket="send") as client:
            return Sent(client.send(to=outgoing.to[0].external_id, text=outgoing.text, key=outgoing.key))
