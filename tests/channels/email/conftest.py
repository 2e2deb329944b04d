"""A mailbox on real servers, and mails to put into it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from accounts.models import Team
from engagement.models import ChannelAccount
from tests.mail_servers import IMAPServer, free_port

ADDRESS = "shop@example.com"


@pytest.fixture(autouse=True)
def _servers_on_loopback_are_allowed(settings: Any) -> None:
    settings.RAPPORT_ALLOW_PRIVATE_HOSTS = ["127.0.0.1"]


@dataclass
class MailFolder:
    """A folder of its own on a server that all tests share, because each start of one takes a second."""

    server: IMAPServer
    folder: str

    def __getattr__(self, name: str) -> Any:
        return getattr(self.server, name)

    def deliver(self, content: bytes, **more: Any) -> None:
        with self.server.client() as client:
            client.append(self.folder, content, **more)

    def make_anew(self) -> None:
        """The same name, other UIDs, another UIDVALIDITY."""
        with self.server.client() as client:
            client.delete_folder(self.folder)
            client.create_folder(self.folder)


@pytest.fixture(scope="session")
def shared_imap_server() -> Iterator[IMAPServer]:
    """One real IMAP server for all mail tests."""
    server = IMAPServer(free_port())
    server.start()
    yield server
    server.stop()


@pytest.fixture
def imap_server(shared_imap_server: IMAPServer) -> MailFolder:
    """An empty folder on a real IMAP server."""
    folder = f"Test-{uuid4().hex[:12]}"
    with shared_imap_server.client() as client:
        client.create_folder(folder)
    return MailFolder(shared_imap_server, folder)


@pytest.fixture
def new_account(db: None) -> Callable[..., ChannelAccount]:
    """Return a function that makes a connected mailbox: `new_account(imap=…, smtp=…, only_new=True)`."""

    def make(*, imap: Any = None, smtp: Any = None, address: str = ADDRESS, **more: Any) -> ChannelAccount:
        team = Team.general()
        return ChannelAccount.objects.create(
            connector="email",
            network="email",
            external_id=address,
            name="Shop",
            team=team,
            settings={
                "imap_host": "127.0.0.1",
                "imap_port": imap.port if imap else 1,
                "imap_security": "none",
                "imap_user": imap.user if imap else "",
                "smtp_host": "127.0.0.1",
                "smtp_port": smtp.port if smtp else 1,
                "smtp_security": "none",
                "folder": getattr(imap, "folder", "INBOX"),
                **more,
            },
            credentials={"imap_password": imap.password if imap else ""},
        )

    return make


@pytest.fixture
def account(new_account: Callable[..., ChannelAccount]) -> ChannelAccount:
    """A mailbox whose servers nobody asks."""
    return new_account()


@pytest.fixture
def new_mail() -> Callable[..., bytes]:
    """Return a function that writes a mail: `new_mail(sender="bob@example.org", text="…", Subject="…")`."""
    count = 0

    def write(
        text: str = "Hello, where is my parcel?",
        *,
        sender: str = "Bob <bob@example.org>",
        to: str = ADDRESS,
        html: str = "",
        files: tuple[tuple[str, bytes], ...] = (),
        message_id: str | None = None,
        answers: str = "",
        **headers: str,
    ) -> bytes:
        nonlocal count
        count += 1
        mail = EmailMessage()
        mail["From"], mail["To"] = sender, to
        mail["Date"] = format_datetime(timezone.now())
        if message_id != "":
            mail["Message-ID"] = f"<{message_id or f'mail-{count}@example.org'}>"
        if answers:
            mail["In-Reply-To"] = f"<{answers}>"
        for name, value in headers.items():
            del mail[name]
            mail[name.replace("_", "-")] = value
        mail.set_content(text)
        if html:
            mail.add_alternative(html, subtype="html")
        for name, content in files:
            mail.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
        return mail.as_bytes()

    return write
