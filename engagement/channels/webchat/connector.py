"""Chat on the business's own website."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping
from typing import Any, ClassVar

from engagement.channels.base import Connector, Outgoing, PermanentFailure, Sent
from engagement.channels.webchat.forms import WebchatForm
from engagement.channels.webchat.sites import MAX_LENGTH, new_site_key
from engagement.channels.webchat.transcript import show
from engagement.models import ChannelAccount, ChatVisitor


class WebchatConnector(Connector):
    """Our own network: to send is to put the message into what the visitor sees."""

    name = "webchat"
    label = "Website chat"
    icon = "ti-message-circle"
    hue = "chat"
    about = "A chat window on your own pages: visitors write, and answers appear where they read."
    needs: ClassVar[tuple[str, ...]] = (
        "The addresses of your pages on which the window shows.",
        "Somebody who can put one line of HTML into those pages.",
    )
    why_not_compared = "It is our own: what visitors write is nowhere but here."
    networks = ("chat",)
    can_reply = True
    takes_our_id = True
    max_length = MAX_LENGTH
    max_attachment_bytes = 0
    settings_form = WebchatForm
    setup_template = "engagement/_webchat_setup.html"

    def fill_account(self, account: ChannelAccount, cleaned: Mapping[str, Any]) -> None:
        """Take what the form gave; key and secret are made once and stay."""
        account.connector, account.network = self.name, "chat"
        account.external_id = account.external_id or new_site_key()
        account.issuer = account.external_id
        account.settings = {**account.settings, **cleaned, "site_key": account.external_id}
        if not account.credentials.get("identity_secret"):
            account.credentials = {**account.credentials, "identity_secret": secrets.token_hex(32)}

    def send(self, outgoing: Outgoing) -> Sent:
        """Show it to the visitor. A repeat after a crash finds the line there and shows nothing twice."""
        if outgoing.files:
            raise PermanentFailure("The website chat carries text only; send files by e-mail.")
        visitor = self._visitor(outgoing)
        if visitor is None:
            raise PermanentFailure("This visitor's chat was removed.")
        show(visitor, outgoing.delivery.interaction)
        return Sent(outgoing.external_id)

    def _visitor(self, outgoing: Outgoing) -> ChatVisitor | None:
        """Whom the conversation belongs to, else whom its thread was opened for."""
        names = [author.external_id for author in outgoing.to] + [outgoing.thread_key.removeprefix("dm:")]
        for name in names:
            try:
                wanted = uuid.UUID(name)
            except ValueError:
                continue
            visitor = ChatVisitor.objects.filter(account=outgoing.account, visitor_id=wanted).first()
            if visitor is not None:
                return visitor
        return None
