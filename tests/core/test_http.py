"""The HTTP client against a real server on loopback: limits, failures, redirects, private addresses."""

import gzip
import ipaddress
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from core import addresses
from core.addresses import PrivateAddress, is_public, safe_addresses, safe_connect
from core.http import (
    AuthFailed,
    Client,
    HttpFailure,
    Permanent,
    RateLimited,
    TooLarge,
    Transient,
    Uncertain,
)

TOKEN = "tok-1234567890-secret"


class Far(ThreadingHTTPServer):
    """A platform: `/status/503`, `/big`, `/slow` and so on; keeps what it was asked."""

    daemon_threads = True
    asked: list[tuple[str, str, dict[str, str]]]
    script: list[int]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Far

    def log_message(self, *args: Any) -> None:
        pass

    def answer(self, status: int = 200, body: bytes = b"{}", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self.body = self.rfile.read(length)
        self.server.asked.append((self.command, self.path, dict(self.headers)))
        place, _, rest = self.path.partition("?")[0].strip("/").partition("/")
        getattr(self, f"at_{place}")(rest)

    do_POST = do_PUT = do_HEAD = do_PATCH = do_DELETE = do_GET

    def at_ok(self, rest: str) -> None:
        self.answer(body=json.dumps({"got": self.body.decode()}).encode())

    def at_text(self, rest: str) -> None:
        self.answer(body=b"<html>")

    def at_status(self, rest: str) -> None:
        self.answer(int(rest.split("/", maxsplit=1)[0]), body=f"no, {TOKEN}".encode())

    def at_script(self, rest: str) -> None:
        self.answer(self.server.script.pop(0))

    def at_limits(self, rest: str) -> None:
        reset = str(int(time.time()) + 30)
        self.answer(X_RateLimit_Limit="100", X_RateLimit_Remaining="7", X_RateLimit_Reset=reset)

    def at_wait(self, rest: str) -> None:
        asked = {"date": format_datetime(datetime.now(UTC) + timedelta(seconds=90)), "nonsense": "soon"}
        self.answer(429, Retry_After=asked.get(rest, rest))

    def at_spent(self, rest: str) -> None:
        self.answer(403, ratelimit_remaining="0", ratelimit_reset="12")

    def at_big(self, rest: str) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for _ in range(400):
                self.wfile.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.close_connection = True

    def at_chunks(self, rest: str) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")

    def at_announced(self, rest: str) -> None:
        self.close_connection = True
        self.answer(Content_Length="99999999")

    def at_bomb(self, rest: str) -> None:
        self.answer(body=gzip.compress(b"\0" * 20_000_000), Content_Encoding="gzip")

    def at_packed(self, rest: str) -> None:
        self.answer(body=gzip.compress(b'{"a": 1}'), Content_Encoding="gzip")

    def at_short(self, rest: str) -> None:
        self.close_connection = True
        self.answer(body=b"half", Content_Length="400")

    def at_hang(self, rest: str) -> None:
        time.sleep(1.5)

    def at_drip(self, rest: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "100")
        self.end_headers()
        try:
            for _ in range(30):
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.1)
        except OSError:
            pass
        self.close_connection = True

    def at_drop(self, rest: str) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def at_to(self, rest: str) -> None:
        self.answer(302, Location=self.headers.get("X-To") or "/" + rest, Set_Cookie="session=abc")

    def at_loop(self, rest: str) -> None:
        self.answer(302, Location="/loop")


def serve() -> Iterator[Far]:
    server = Far(("127.0.0.1", 0), Handler)
    server.asked, server.script = [], []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


far = pytest.fixture(serve)
elsewhere = pytest.fixture(serve)


def client(far: Far, **options: Any) -> Client:
    return Client(far.url, headers={"Authorization": f"Bearer {TOKEN}"}, sleep=lambda s: None, **options)


def test_a_get_gives_the_whole_answer(far: Far) -> None:
    answer = client(far).get("/ok", params={"q": "ü"})
    assert (answer.status, answer.json()) == (200, {"got": ""})
    assert far.asked[0][1] == "/ok?q=%C3%BC"
    assert far.asked[0][2]["Authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_a_write_sends_its_body(far: Far, method: str) -> None:
    answer = getattr(client(far), method)("/ok", json={"a": 1})
    assert json.loads(answer.json()["got"]) == {"a": 1}


@pytest.mark.parametrize(("path", "body"), [("/packed", b'{"a": 1}'), ("/chunks", b"abcde")])
def test_packed_and_chunked_answers_are_read(far: Far, path: str, body: bytes) -> None:
    assert client(far).get(path).body == body


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Permanent),
        (401, AuthFailed),
        (403, Permanent),
        (404, Permanent),
        (408, Transient),
        (422, Permanent),
        (429, RateLimited),
        (500, Transient),
        (501, Permanent),
        (503, Transient),
    ],
)
def test_each_status_is_one_kind_of_failure(far: Far, status: int, kind: type[HttpFailure]) -> None:
    with pytest.raises(kind) as caught:
        client(far).get(f"/status/{status}")
    assert caught.value.status == status and type(caught.value) is kind


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/status/500", Uncertain),
        ("/status/502", Uncertain),
        ("/status/503", Transient),
        ("/drop", Uncertain),
    ],
)
def test_a_post_that_may_have_been_done_is_uncertain_and_never_repeated(
    far: Far, path: str, kind: type[HttpFailure]
) -> None:
    with pytest.raises(kind):
        client(far).post(path, json={})
    assert len(far.asked) == 1


def test_an_expected_status_is_an_answer(far: Far) -> None:
    assert client(far).get("/status/404", expect=[404]).status == 404


def test_a_get_is_repeated_while_the_far_side_is_out_of_order(far: Far) -> None:
    far.script = [503, 500, 200]
    assert client(far).get("/script").status == 200
    far.script = [503, 503, 503, 200]
    with pytest.raises(Transient):
        client(far).get("/script")
    assert len(far.asked) == 6


@pytest.mark.parametrize("status", [400, 401, 429])
def test_what_asking_again_does_not_help_is_asked_once(far: Far, status: int) -> None:
    with pytest.raises(HttpFailure):
        client(far).get(f"/status/{status}")
    assert len(far.asked) == 1


def test_a_put_is_not_repeated_by_itself_but_may_be(far: Far) -> None:
    with pytest.raises(Transient):
        client(far).put("/status/500")
    assert len(far.asked) == 1


@pytest.mark.parametrize(
    ("path", "seconds"),
    [
        ("/wait/7", 7),
        ("/wait/date", 90),
        ("/wait/nonsense", 60),
        ("/wait/nan", 60),
        ("/wait/-5", 0),
        ("/wait/99999999", 24 * 3600),
        ("/spent", 12),
    ],
)
def test_a_rate_limit_says_when_to_come_back(far: Far, path: str, seconds: float) -> None:
    with pytest.raises(RateLimited) as caught:
        client(far).get(path)
    assert caught.value.retry_after == pytest.approx(seconds, abs=3)


def test_what_is_left_of_the_allowance_is_known(far: Far) -> None:
    found = client(far).get("/limits").rate_limit
    assert (found.limit, found.remaining) == (100, 7)
    assert found.resets_in == pytest.approx(30, abs=3)


@pytest.mark.parametrize("path", ["/big", "/announced", "/bomb"])
def test_an_answer_that_is_too_large_is_not_read_to_its_end(far: Far, path: str) -> None:
    with pytest.raises(TooLarge, match="larger than 100,000 bytes"):
        client(far, max_bytes=100_000).get(path)


def test_an_answer_cut_short_is_a_failure_and_not_half_an_answer(far: Far) -> None:
    with pytest.raises(Transient, match="broke"):
        client(far).get("/short")
    with pytest.raises(Uncertain):
        client(far).post("/short")


@pytest.mark.parametrize(
    ("path", "options"),
    [("/hang", {"timeout": (1, 0.3), "retries": 0}), ("/drip", {"total_timeout": 0.5})],
)
def test_a_silent_or_dripping_server_cannot_hold_us(far: Far, path: str, options: Any) -> None:
    started = time.monotonic()
    with pytest.raises(Transient, match="took too long"):
        client(far, **options).get(path)
    assert time.monotonic() - started < 1.4


def test_a_closed_port_is_transient_also_for_a_post() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    with pytest.raises(Transient, match="cannot be reached"):
        Client(f"http://127.0.0.1:{port}", sleep=lambda s: None).post("/x", json={})


def test_an_unknown_host_is_said_so() -> None:
    with pytest.raises(Transient, match="no host of that name"):
        Client("http://nowhere.invalid", sleep=lambda s: None).get("/x")


def test_an_answer_that_is_not_json_is_permanent(far: Far) -> None:
    with pytest.raises(Permanent, match="not JSON"):
        client(far).get("/text").json()


@pytest.mark.parametrize("url", ["ftp://example.com/x", "file:///etc/passwd", "//example.com", "x", ""])
def test_only_web_addresses_are_visited(url: str) -> None:
    with pytest.raises(Permanent, match="begins with https"):
        Client().get(url)


# Redirects


def test_a_redirect_within_the_origin_keeps_the_credentials(far: Far) -> None:
    assert client(far).get("/to/ok").status == 200
    assert far.asked[1][2]["Authorization"] == f"Bearer {TOKEN}"
    assert "Cookie" not in far.asked[1][2]


def test_a_redirect_to_another_origin_loses_every_credential(far: Far, elsewhere: Far) -> None:
    headers = {"X-To": f"{elsewhere.url}/to/ok", "X-Api-Key": TOKEN}
    assert Client(far.url, headers=headers, auth=("ann", TOKEN)).get("/to/x").status == 200
    for _, _, sent in elsewhere.asked:
        assert TOKEN not in str(sent) and "Authorization" not in sent


def test_a_full_url_of_another_origin_gets_no_credentials(far: Far, elsewhere: Far) -> None:
    client(far, auth=("ann", TOKEN)).get(f"{elsewhere.url}/ok")
    assert "Authorization" not in elsewhere.asked[0][2]


def test_a_redirect_without_end_is_permanent(far: Far) -> None:
    with pytest.raises(Permanent, match="redirects more than 5"):
        client(far).get("/loop")


def test_a_write_is_not_redirected(far: Far) -> None:
    with pytest.raises(Permanent, match="Use that address"):
        client(far).post("/to/ok", json={})
    assert len(far.asked) == 1


# Secrets


def test_no_secret_stands_in_a_failure_or_a_log_line(far: Far, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for path in (f"/status/400/{TOKEN}", f"/status/503/{TOKEN}", f"/drop/{TOKEN}"):
        with pytest.raises(HttpFailure) as caught:
            client(far, secrets=[TOKEN]).get(path, params={"access_token": "abcdef-query"})
        told = f"{caught.value!r} {caught.value.body}"
        assert TOKEN not in told and "abcdef-query" not in told
        # A chained exception of a library would carry the whole URL into the traceback.
        assert caught.value.__cause__ is None and caught.value.__context__ is None
    assert TOKEN not in caplog.text and "abcdef-query" not in caplog.text
    assert TOKEN not in repr(client(far, secrets=[TOKEN]))


def test_what_the_far_side_echoes_of_a_token_is_hidden(far: Far) -> None:
    with pytest.raises(Permanent) as caught:
        client(far).get("/status/400")
    assert caught.value.body == "no, ***"


# Private addresses


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.9.9.9",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "0.0.0.0",
        "100.100.100.200",
        "168.63.129.16",
        "224.0.0.1",
        "255.255.255.255",
        "192.0.0.192",
        "198.18.0.1",
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2002:a00:1::",
        "::127.0.0.1",
        "2001::1",
        "2001:db8::1",
    ],
)
def test_an_inner_address_is_not_public_in_any_disguise(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"]
)
def test_a_public_address_is_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "0.0.0.0", "[::1]", "2130706433", "0x7f.1", "127.1"]
)
def test_a_user_cannot_send_us_to_ourselves(far: Far, host: str, settings: Any) -> None:
    settings.RAPPORT_ALLOW_PRIVATE_HOSTS = []
    with pytest.raises((Permanent, Transient)) as caught:
        Client(f"http://{host}:{far.server_port}", user_given=True, retries=0).get("/ok")
    assert "private network" in str(caught.value) or "no host of that name" in str(caught.value)
    assert far.asked == []


@pytest.mark.parametrize("entry", ["127.0.0.1", "127.0.0.0/8", "localhost"])
def test_the_operator_may_allow_a_host_or_a_network(far: Far, entry: str, settings: Any) -> None:
    settings.RAPPORT_ALLOW_PRIVATE_HOSTS = ["not an address", entry]
    assert Client(f"http://localhost:{far.server_port}", user_given=True).get("/ok").status == 200


def test_a_redirect_cannot_lead_inside_either(far: Far, elsewhere: Far, settings: Any) -> None:
    settings.RAPPORT_ALLOW_PRIVATE_HOSTS = ["localhost"]
    asking = Client(f"http://localhost:{far.server_port}", user_given=True)
    with pytest.raises(Permanent, match="private network"):
        asking.get("/to/x", headers={"X-To": f"http://127.0.0.1:{elsewhere.server_port}/ok"})
    assert elsewhere.asked == []


def test_a_name_is_resolved_once_and_only_a_checked_address_is_visited(
    far: Far, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.RAPPORT_ALLOW_PRIVATE_HOSTS = ["127.0.0.1"]
    asked: list[str] = []

    def resolve(host: str, port: int, **options: Any) -> Any:
        asked.append(host)
        inner = ["10.0.0.1", "127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in inner]

    monkeypatch.setattr(addresses.socket, "getaddrinfo", resolve)
    asking = Client(f"http://rebinding.example:{far.server_port}", user_given=True)
    assert asking.get("/ok").status == 200
    assert asked == ["rebinding.example"]
    assert far.asked[0][2]["Host"] == f"rebinding.example:{far.server_port}"
    with pytest.raises(PrivateAddress, match=r"10\.0\.0\.1.*RAPPORT_ALLOW_PRIVATE_HOSTS"):
        safe_addresses("rebinding.example", 80)


def test_a_user_given_address_carries_no_password(far: Far) -> None:
    with pytest.raises(Permanent, match="Leave name and password"):
        Client(f"http://ann:{TOKEN}@example.com/", user_given=True).get()


def test_safe_connect_serves_mail_hosts_too(far: Far, settings: Any) -> None:
    settings.RAPPORT_ALLOW_PRIVATE_HOSTS = []
    with pytest.raises(PrivateAddress, match="private network"):
        safe_connect("localhost", far.server_port)
    settings.RAPPORT_ALLOW_PRIVATE_HOSTS = ["127.0.0.1"]
    with safe_connect("127.0.0.1", far.server_port) as sock:
        assert sock.getpeername() == ("127.0.0.1", far.server_port)


@pytest.mark.parametrize("host", ["a" * 70 + ".example", "..", "\udcff.example", ""])
def test_nonsense_instead_of_a_host_is_an_ordinary_failure(host: str) -> None:
    with pytest.raises((OSError, PrivateAddress)):
        safe_connect(host, 25)
