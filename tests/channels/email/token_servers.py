"""Mail servers that take OAuth 2 access tokens, and the provider that gives them."""

from __future__ import annotations

import base64
import json
import socketserver
import threading
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlsplit

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import MISSING, AuthResult

from tests.channels.platform import Call, Platform, route
from tests.mail_servers import HOST, Received


class Provider(Platform):
    """A login at a provider; `authorize` gives back what the browser of somebody who says yes would."""

    refresh_rotates = False

    def __init__(self, address: str = "shop@example.com") -> None:
        super().__init__()
        self.address = address
        self.challenge = self.nonce = ""
        self.good: set[str] = set()
        """Access tokens that the mail servers take."""
        self.refresh_tokens: set[str] = set()
        self.count_given = 0
        self.scope = ""
        self.without_refresh = False

    def authorize(self, url: str) -> dict[str, str]:
        """Somebody says yes; what comes back to us as query."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert asked["code_challenge_method"] == "S256" and asked["response_type"] == "code"
        self.challenge, self.nonce, self.scope = asked["code_challenge"], asked["nonce"], asked["scope"]
        return {"code": "the-code", "state": asked["state"]}

    @route("POST", r"/token")
    @route("POST", r"/[a-z0-9-]+/oauth2/v2\.0/token")
    def token(self, call: Call) -> tuple[int, Any]:
        form = call.form
        if form.get("client_id") != "app-id" or form.get("client_secret") != "app-secret":
            return 401, {"error": "invalid_client", "error_description": "Unauthorized"}
        if form["grant_type"] == "authorization_code":
            challenge = base64.urlsafe_b64encode(sha256(form["code_verifier"].encode()).digest())
            if form["code"] != "the-code" or challenge.rstrip(b"=").decode() != self.challenge:
                return 400, {"error": "invalid_grant", "error_description": "Bad code or verifier"}
            return 200, self._tokens(with_refresh=not self.without_refresh)
        if form["refresh_token"] not in self.refresh_tokens:
            return 400, {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}
        if self.refresh_rotates:
            self.refresh_tokens.discard(form["refresh_token"])
        return 200, self._tokens(with_refresh=self.refresh_rotates)

    @route("POST", r"/introspect")
    def introspect(self, call: Call) -> tuple[int, Any]:
        """What a mail server asks (RFC 7662)."""
        is_good = call.form.get("token", "") in self.good
        return 200, {"active": is_good, **({"email": self.address} if is_good else {})}

    def _tokens(self, *, with_refresh: bool) -> dict[str, Any]:
        self.count_given += 1
        access = f"access-{self.count_given}"
        self.good = {access}
        claims = {"email": self.address, "email_verified": True, "nonce": self.nonce}
        payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
        told = {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": 3599,
            "scope": self.scope,
            "id_token": f"e30.{payload}.sig",
        }
        if with_refresh:
            told["refresh_token"] = f"refresh-{self.count_given}"
            self.refresh_tokens.add(told["refresh_token"])
        return told


def token_in(initial: bytes) -> str:
    """The bearer token of an XOAUTH2 or OAUTHBEARER initial response."""
    parts = initial.decode().split("\x01")
    return next((part.removeprefix("auth=Bearer ") for part in parts if part.startswith("auth=")), "")


class TokenSMTP:
    """An SMTP server that signs in by XOAUTH2 only and keeps what it takes."""

    host = HOST

    def __init__(self, port: int, provider: Provider) -> None:
        self.port, self.provider = port, provider
        self.received: list[Received] = []
        self.controller = Controller(
            self, hostname=HOST, port=port, auth_require_tls=False, auth_required=True,
            auth_exclude_mechanism=["LOGIN", "PLAIN"],
        )  # fmt: skip

    async def auth_XOAUTH2(self, server: Any, args: list[str]) -> Any:
        if token_in(base64.b64decode(args[1])) in self.provider.good:
            return AuthResult(success=True)
        told = base64.b64encode(b'{"status":"400","schemes":"Bearer"}').decode()
        await server.push(f"334 {told}")
        await server._reader.readline()
        await server.push("535 5.7.8 Username and Password not accepted.")
        return MISSING

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.received.append(Received(envelope.mail_from, envelope.rcpt_tos, envelope.content))
        return "250 taken"

    def start(self) -> None:
        self.controller.start()

    def stop(self) -> None:
        self.controller.stop()


class TokenIMAP(socketserver.ThreadingTCPServer):
    """As much of an IMAP server as a sign-in by token needs: an empty INBOX behind it."""

    allow_reuse_address = True
    daemon_threads = True
    mechanism = "XOAUTH2"
    busy = ""

    def __init__(self, port: int, provider: Provider) -> None:
        super().__init__((HOST, port), _Session)
        self.port, self.provider = port, provider

    def start(self) -> None:
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()


class _Session(socketserver.StreamRequestHandler):
    server: TokenIMAP

    def say(self, line: str) -> None:
        self.wfile.write(line.encode() + b"\r\n")

    def handle(self) -> None:
        self.say("* OK ready")
        while line := self.rfile.readline():
            tag, command, *rest = line.decode().strip().split(" ", 2)
            getattr(self, f"do_{command.lower()}", self.unknown)(tag, " ".join(rest))
            if command.upper() == "LOGOUT":
                return

    def unknown(self, tag: str, rest: str) -> None:
        self.say(f"{tag} OK done")

    def do_capability(self, tag: str, rest: str) -> None:
        self.say(f"* CAPABILITY IMAP4rev1 AUTH={self.server.mechanism}")
        self.say(f"{tag} OK done")

    def do_authenticate(self, tag: str, rest: str) -> None:
        self.say("+ ")
        token = token_in(base64.b64decode(self.rfile.readline().strip()))
        if self.server.busy:
            self.say(f"{tag} NO {self.server.busy}")
        elif token in self.server.provider.good:
            self.say(f"{tag} OK in")
        else:
            self.say("+ " + base64.b64encode(b'{"status":"400"}').decode())
            self.rfile.readline()
            self.say(f"{tag} NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)")

    def do_select(self, tag: str, rest: str) -> None:
        self.do_examine(tag, rest)

    def do_examine(self, tag: str, rest: str) -> None:
        self.say("* 0 EXISTS")
        self.say("* OK [UIDVALIDITY 7] valid")
        self.say("* OK [UIDNEXT 1] next")
        self.say(f"{tag} OK [READ-ONLY] done")

    def do_uid(self, tag: str, rest: str) -> None:
        if rest.upper().startswith("SEARCH"):
            self.say("* SEARCH")
        self.say(f"{tag} OK done")

    def do_logout(self, tag: str, rest: str) -> None:
        self.say("* BYE")
        self.say(f"{tag} OK done")
