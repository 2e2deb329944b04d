"""A far platform for tests: an HTTP server on loopback that keeps state, counts calls, fails on demand.

class Chirper(Platform):
    @route("GET", r"/2/users/(?P<user>[^/]+)/mentions")
    def mentions(self, call): return 200, {"data": self.mentions[call.groups["user"]]}

with Chirper() as there: ... there.url ... there.calls ... there.fail(503, times=2, path="/2/")
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit


@dataclass
class Call:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    body: bytes
    groups: dict[str, str] = field(default_factory=dict)
    values: dict[str, list[str]] = field(default_factory=dict)
    """The query with every value of a repeated name."""

    @property
    def json(self) -> Any:
        return json.loads(self.body or b"null")

    @property
    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.body.decode(), True).items()}


@dataclass
class Fault:
    """What goes wrong with the next calls: a status with body and headers, or no answer at all.

    `after` lets the platform do what was asked first, so that only the answer is lost.
    """

    status: int = 0
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    times: int = 1
    path: str = ""
    method: str = ""
    delay: float = 0.0
    after: bool = False

    def fits(self, call: Call) -> bool:
        return self.times > 0 and self.path in call.path and self.method in ("", call.method)


def route(method: str, pattern: str) -> Callable[[Any], Any]:
    """Mark a method of a Platform as what answers there; it returns status, body and perhaps headers."""

    def mark(function: Any) -> Any:
        function.routes = [*getattr(function, "routes", []), (method, re.compile(pattern))]
        return function

    return mark


class Platform:
    """Subclass it with routes. Answers are made one at a time, under one lock, as a database would."""

    routes: ClassVar[list[tuple[str, re.Pattern[str], str]]] = []

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        found = [*cls.routes]
        for name, member in vars(cls).items():
            found += [(method, pattern, name) for method, pattern in getattr(member, "routes", [])]
        cls.routes = found

    def __init__(self, port: int = 0) -> None:
        self.calls: list[Call] = []
        self.faults: list[Fault] = []
        self.headers: dict[str, str] = {}
        """Sent with every answer (rate limits)."""
        self.lock = threading.RLock()
        self.server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self.server.daemon_threads = True

    def __enter__(self) -> Any:
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def fail(self, status: int = 0, body: Any = None, **more: Any) -> Fault:
        """Let the next call (or `times` of them, those whose path holds `path`) fail; status 0 hangs up."""
        fault = Fault(status=status, body=body, **more)
        self.faults.append(fault)
        return fault

    def count(self, path: str, method: str = "") -> int:
        return sum(1 for call in self.calls if path in call.path and method in ("", call.method))

    def answer(self, call: Call) -> tuple[int, Any, Mapping[str, str]]:
        for method, pattern, name in self.routes:
            found = pattern.fullmatch(call.path)
            if found and method == call.method:
                call.groups = found.groupdict()
                status, body, *headers = getattr(self, name)(call)
                return status, body, headers[0] if headers else {}
        return 404, {"error": f"no route for {call.method} {call.path}"}, {}

    def handle(self, call: Call) -> tuple[int, Any, Mapping[str, str]] | None:
        """What to answer; None hangs up."""
        with self.lock:
            self.calls.append(call)
            fault = next((one for one in self.faults if one.fits(call)), None)
            if fault is None:
                return self.answer(call)
            fault.times -= 1
            if fault.after:
                self.answer(call)
        if fault.delay:
            time.sleep(fault.delay)
        return (fault.status, fault.body, fault.headers) if fault.status else None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        platform = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Head and body leave in two pieces; without this the second waits 40 ms for the first.
            disable_nagle_algorithm = True

            def answer(self) -> None:
                parts = urlsplit(self.path)
                length = int(self.headers.get("Content-Length") or 0)
                values = parse_qs(parts.query, keep_blank_values=True)
                call = Call(
                    method=self.command,
                    path=parts.path,
                    query={name: found[-1] for name, found in values.items()},
                    headers=dict(self.headers.items()),
                    body=self.rfile.read(length),
                    values=values,
                )
                told = platform.handle(call)
                if told is None:
                    self.close_connection = True
                    return
                self.write(*told)

            def write(self, status: int, body: Any, headers: Mapping[str, str]) -> None:
                plain = isinstance(body, bytes | str)
                raw = (
                    (body.encode() if isinstance(body, str) else body) if plain else json.dumps(body).encode()
                )
                self.send_response(status)
                sent = {"Content-Type": "application/json", **platform.headers, **headers}
                for name, value in sent.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(raw)

            do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = answer

            def log_message(self, format: str, *args: Any) -> None:
                return

        return Handler
