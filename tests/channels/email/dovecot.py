"""A Dovecot of our own on loopback: real UIDs, real UIDVALIDITY, APPENDUID."""

from __future__ import annotations

import getpass
import grp
import os
import pwd
import shutil
import smtplib
import subprocess
from dataclasses import dataclass
from pathlib import Path

from imapclient import IMAPClient

from tests.mail_servers import HOST, free_port, wait_for_port

CONFIG = """
protocols = imap lmtp
listen = {host}
base_dir = {home}/run
state_dir = {home}/state
log_path = {home}/dovecot.log
ssl = no
disable_plaintext_auth = no
default_login_user = {user}
default_internal_user = {user}
default_internal_group = {group}
first_valid_uid = 0
first_valid_gid = 0
mail_location = maildir:{home}/mail/%u
mail_uid = {user}
mail_gid = {group}
auth_mechanisms = {mechanisms}
passdb {{
  {passdb}
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={home}/mail/%u allow_all_users=yes
}}
namespace inbox {{
  inbox = yes
  mailbox Sent {{
    special_use = \\Sent
    auto = create
  }}
}}
service anvil {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap_port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = {host}
    port = {lmtp_port}
  }}
}}
service stats {{
  chroot =
}}
"""
OAUTH = """
introspection_mode = post
introspection_url = {url}
username_attribute = email
active_attribute = active
active_value = true
tokeninfo_url =
"""


@dataclass
class Dovecot:
    """One mailbox on a real IMAP server."""

    home: Path
    user: str = "shop@example.com"
    password: str = "mailbox-password"
    port: int = 0
    lmtp_port: int = 0
    introspection: str = ""
    """Where it asks whether an access token is good; '' for passwords."""
    mechanisms: str = "plain"
    process: subprocess.Popen[bytes] | None = None

    @staticmethod
    def program() -> str | None:
        """Where Dovecot is, None where it is not installed."""
        return shutil.which("dovecot") or shutil.which("dovecot", path="/usr/sbin:/usr/local/sbin")

    def start(self) -> None:
        self.port, self.lmtp_port = free_port(), free_port()
        self.start_again()

    def start_again(self) -> None:
        """On the same ports, with the mail that is there."""
        owner = "nobody" if os.geteuid() == 0 else getpass.getuser()
        group = grp.getgrgid(pwd.getpwnam(owner).pw_gid).gr_name
        for name in ("run", "state", "mail"):
            (self.home / name).mkdir(parents=True, exist_ok=True)
        self._let_in(owner)
        config = self.home / "dovecot.conf"
        config.write_text(
            CONFIG.format(
                host=HOST,
                home=self.home,
                user=owner,
                group=group,
                passdb=self._passdb(),
                mechanisms=self.mechanisms,
                imap_port=self.port,
                lmtp_port=self.lmtp_port,
            )
        )
        program = self.program()
        assert program
        self.process = subprocess.Popen([program, "-F", "-c", str(config)])
        wait_for_port(self.port)
        wait_for_port(self.lmtp_port)

    def _passdb(self) -> str:
        if not self.introspection:
            return f"driver = static\n  args = password={self.password}"
        self.mechanisms = self.mechanisms if self.mechanisms != "plain" else "xoauth2 oauthbearer"
        config = self.home / "oauth.conf"
        config.write_text(OAUTH.format(url=self.introspection))
        return f"driver = oauth2\n  mechanisms = xoauth2 oauthbearer\n  args = {config}"

    def take_only(self, mechanism: str) -> None:
        """Start again with this way to sign in alone."""
        self.stop()
        self.mechanisms = mechanism
        self.start_again()

    def _let_in(self, owner: str) -> None:
        """Root's temporary folders are closed to the user the server runs as."""
        if os.geteuid() != 0:
            return
        shutil.chown(self.home / "mail", owner)
        for folder in (self.home, *self.home.parents):
            if folder.stat().st_uid == 0 and not folder.stat().st_mode & 0o001:
                folder.chmod(folder.stat().st_mode | 0o011)

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait(15)

    def deliver(self, content: bytes) -> None:
        """Hand a mail over as the mail server in front would."""
        with smtplib.LMTP(HOST, self.lmtp_port) as lmtp:
            lmtp.sendmail("someone@example.org", [self.user], content)

    def client(self) -> IMAPClient:
        """Return a signed-in client."""
        client = IMAPClient(HOST, self.port, ssl=False)
        client.login(self.user, self.password)
        return client
