"""Real mail servers on loopback: SMTP in a thread, IMAP in a process of its own."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as default_policy
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from imapclient import IMAPClient

HOST = "127.0.0.1"


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, seconds: float = 15) -> None:
    """Wait until somebody listens there."""
    until = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection((HOST, port), timeout=1).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return


@dataclass
class Received:
    """One message that the SMTP server took: its envelope and its bytes."""

    sender: str
    recipients: list[str]
    content: bytes

    @property
    def message(self) -> EmailMessage:
        """Return it parsed."""
        parsed = message_from_bytes(self.content, policy=default_policy)
        assert isinstance(parsed, EmailMessage)
        return parsed


@dataclass
class SMTPServer:
    """Takes every message; `answer` may be set to what it says instead, such as "550 no such mailbox"."""

    port: int
    received: list[Received] = field(default_factory=list)
    answer: str = ""
    host: str = HOST
    controller: Controller | None = None

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Keep a message, or refuse it as the test asked."""
        if self.answer:
            return self.answer
        self.received.append(Received(envelope.mail_from, envelope.rcpt_tos, envelope.content))
        return "250 taken"

    def start(self) -> None:
        """Start listening."""
        self.controller = Controller(
            self, hostname=self.host, port=self.port, data_size_limit=64 * 1024 * 1024
        )
        self.controller.start()

    def stop(self) -> None:
        """Stop listening."""
        if self.controller:
            self.controller.stop()


@dataclass
class IMAPServer:
    """One mailbox that a real IMAP server holds in memory; without TLS."""

    port: int
    user: str = "shop@example.com"
    password: str = "mailbox-password"
    host: str = HOST
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start with an empty mailbox; each start has a UIDVALIDITY of its own."""
        self.process = subprocess.Popen(
            [
                str(Path(sys.executable).with_name("pymap")),
                "--host", HOST, "--port", str(self.port), "--no-tls",
                "dict", "--demo-user", self.user, "--demo-password", self.password,
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_for_port(self.port)

    def stop(self) -> None:
        """End the server; what the mailbox held is gone."""
        if self.process:
            self.process.terminate()
            self.process.wait(10)

    def client(self) -> IMAPClient:
        """Return a signed-in client."""
        client = IMAPClient(self.host, self.port, ssl=False)
        client.login(self.user, self.password)
        return client

    def deliver(self, content: bytes, folder: str = "INBOX") -> None:
        """Put a message into the mailbox."""
        with self.client() as client:
            client.append(folder, content)
