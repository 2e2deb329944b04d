"""The one way out to other people's servers: bounded in time and size, and with named failures.

    client = Client("https://api.example.com/v2/", headers={"Authorization": f"Bearer {token}"})
    answer = client.get("messages", params={"after": cursor})

Failures are `Transient` (try again), `RateLimited` (not before `retry_after`), `AuthFailed`
(credentials), `Uncertain` (a write that may have been done) and `Permanent`. Only GET and HEAD
are repeated here. A URL that a user gave (`user_given=True`) never reaches a private address: the
name is resolved once, and the connection is made to an address that was checked.
"""

import email.utils
import json as json_module
import logging
import math
import random
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, ClassVar, Self
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ReadTimeoutError,
)

from core.addresses import CONNECT_TIMEOUT, PrivateAddress, safe_connect

logger = logging.getLogger("core.http")
# At DEBUG urllib3 writes whole URLs, tokens in them included.
logging.getLogger("urllib3").setLevel(logging.INFO)

READ_TIMEOUT = 20.0
TOTAL_TIMEOUT = 60.0
MAX_BYTES = 10 * 1024 * 1024
MAX_REDIRECTS = 5
RETRIES = 2
MAX_WAIT = 24 * 3600.0
UNKNOWN_WAIT = 60.0
REPEATED = frozenset({"GET", "HEAD"})
REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})
TRANSIENT_STATUS = frozenset({408, 425, 500, 502, 503, 504, 520, 521, 522, 523, 524})
NOT_DONE_STATUS = frozenset({408, 425, 503, 521, 522, 523})
REDIRECTS = frozenset({301, 302, 303, 307, 308})


class HttpFailure(Exception):
    """A request that failed. Its text names the host and the reason, never a secret."""

    def __init__(self, message: str, *, status: int | None = None, body: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.body = body


class Transient(HttpFailure):
    """The far side or the way to it is out of order for now; nothing was done."""


class RateLimited(HttpFailure):
    """Too many requests; ask again after `retry_after` seconds."""

    def __init__(
        self, message: str, *, retry_after: float, status: int | None = None, body: str = ""
    ) -> None:
        super().__init__(message, status=status, body=body)
        self.retry_after = retry_after


class AuthFailed(HttpFailure):
    """The credentials are not accepted; asking again does not help."""


class Uncertain(HttpFailure):
    """A write was sent and no answer came: it may have been done."""


class Permanent(HttpFailure):
    """The far side refused this request for good."""


class TooLarge(Permanent):
    """The answer is larger than was allowed."""


@dataclass(frozen=True)
class RateLimit:
    """What the far side says about our allowance; None where it says nothing."""

    limit: int | None = None
    remaining: int | None = None
    resets_in: float | None = None


@dataclass(frozen=True)
class Answer:
    """A whole answer, read within the limits."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    rate_limit: RateLimit = field(default_factory=RateLimit)

    def json(self) -> Any:
        """The body as JSON; Permanent if it is none."""
        try:
            return json_module.loads(self.body)
        except ValueError:
            pass
        raise Permanent(
            f"The answer is not JSON: {self.text[:80]!r}", status=self.status, body=self.text[:500]
        )

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


# Connections to where a user pointed


class _Guarded:
    """Makes an HTTP connection resolve once and connect only where it may."""

    host: str
    port: int
    timeout: Any
    socket_options: Any
    _dns_host: str

    def _new_conn(self) -> socket.socket:
        timeout = self.timeout if isinstance(self.timeout, int | float) else CONNECT_TIMEOUT
        try:
            sock = safe_connect(self._dns_host, self.port, timeout)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error  # type: ignore[arg-type]
        except TimeoutError as error:
            raise ConnectTimeoutError(self, "timed out") from error
        except OSError as error:
            raise NewConnectionError(self, str(error)) from error  # type: ignore[arg-type]
        for option in self.socket_options or ():
            sock.setsockopt(*option)
        return sock


class _GuardedHTTP(_Guarded, HTTPConnection):
    pass


class _GuardedHTTPS(_Guarded, HTTPSConnection):
    pass


class _GuardedHTTPPool(HTTPConnectionPool):
    ConnectionCls = _GuardedHTTP


class _GuardedHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _GuardedHTTPS


class _GuardedAdapter(HTTPAdapter):
    """An adapter whose pools hold guarded connections."""

    pools: ClassVar[dict[str, type[HTTPConnectionPool]]] = {
        "http": _GuardedHTTPPool,
        "https": _GuardedHTTPSPool,
    }

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = dict(self.pools)


# The client


@dataclass(frozen=True)
class _Call:
    """One request as it is sent; a redirect makes another."""

    method: str
    url: str
    headers: Mapping[str, str]
    options: Mapping[str, Any]
    max_bytes: int
    deadline: float


class Client:
    """Requests to one far side. Use one a job; close it, or use it in `with`.

    `secrets` are texts that must never appear in a failure or a log line, such as a token that
    the platform wants in the path; what the headers carry is hidden anyway. `on_answer` sees
    every answer, also one that is a failure, before anything else is made of it: what it says of
    an allowance is worth most where the far side refuses.
    """

    def __init__(
        self,
        base_url: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        user_given: bool = False,
        secrets: Iterable[str] = (),
        timeout: tuple[float, float] = (CONNECT_TIMEOUT, READ_TIMEOUT),
        total_timeout: float = TOTAL_TIMEOUT,
        max_bytes: int = MAX_BYTES,
        retries: int = RETRIES,
        sleep: Callable[[float], None] = time.sleep,
        on_answer: Callable[[Answer], None] | None = None,
    ) -> None:
        self.base_url = base_url
        self.headers = {"User-Agent": "Rapport", **(headers or {})}
        self.auth = auth
        self.user_given = user_given
        self.timeout, self.total_timeout = timeout, total_timeout
        self.max_bytes, self.retries, self.sleep = max_bytes, retries, sleep
        self.on_answer = on_answer
        self._secrets = _worth_hiding([*secrets, *(auth or ()), *(headers or {}).values()])
        self._session = requests.Session()
        # Without this a .netrc on the machine would replace our own Authorization header.
        self._session.trust_env = False
        adapter = _GuardedAdapter(max_retries=0) if user_given else HTTPAdapter(max_retries=0)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def __repr__(self) -> str:
        return f"Client({self._hidden(self.base_url)!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that were kept open."""
        self._session.close()

    def get(self, path: str = "", **options: Any) -> Answer:
        return self.request("GET", path, **options)

    def post(self, path: str = "", **options: Any) -> Answer:
        return self.request("POST", path, **options)

    def put(self, path: str = "", **options: Any) -> Answer:
        return self.request("PUT", path, **options)

    def patch(self, path: str = "", **options: Any) -> Answer:
        return self.request("PATCH", path, **options)

    def delete(self, path: str = "", **options: Any) -> Answer:
        return self.request("DELETE", path, **options)

    def request(
        self,
        method: str,
        path: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        expect: Iterable[int] = (),
        max_bytes: int | None = None,
        **options: Any,
    ) -> Answer:
        """Send a request, follow its redirects, and read the answer.

        `options` are those of requests: params, json, data, files. An answer of 400 or more
        raises, unless `expect` names its status. A URL of another origin than the base is sent
        without the client's credentials.
        """
        url = urljoin(self.base_url, path) if path else self.base_url
        foreign = bool(self.base_url) and _origin(url) != _origin(self.base_url)
        call = _Call(
            method=method.upper(),
            url=url,
            headers={**(self._bare_headers() if foreign else self.headers), **(headers or {})},
            options={**options, "foreign": foreign},
            max_bytes=max_bytes or self.max_bytes,
            deadline=time.monotonic() + self.total_timeout,
        )
        wanted = frozenset(expect)
        for attempt in range(self.retries + 1):
            outcome = self._attempt(call, wanted)
            if isinstance(outcome, Answer):
                return outcome
            pause = 0.5 * 2**attempt * (1 + random.random())  # noqa: S311 (spreads retries, no secret)
            last = attempt == self.retries or time.monotonic() + pause > call.deadline
            if last or call.method not in REPEATED or not isinstance(outcome, Transient):
                raise outcome
            self.sleep(pause)
        raise AssertionError("a loop over at least one attempt ends inside")

    def _attempt(self, call: _Call, wanted: frozenset[int]) -> Answer | HttpFailure:
        """An answer or a failure. Nothing is raised inside an `except` block: a chained exception
        would carry the URL and with it secrets into tracebacks."""
        started = time.monotonic()
        try:
            answer = self._follow(call)
        except HttpFailure as failure:
            outcome: Answer | HttpFailure = failure
        except PrivateAddress as error:
            outcome = Permanent(str(error))
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            outcome = self._failure(call, error)
        else:
            failed = answer.status >= 400 and answer.status not in wanted
            outcome = self._refusal(call, answer) if failed else answer
        told = outcome.status if isinstance(outcome, Answer) else type(outcome).__name__
        spent = time.monotonic() - started
        logger.debug("%s %s: %s in %.2f s", call.method, self._hidden(call.url), told, spent)
        return outcome

    def _follow(self, call: _Call) -> Answer:
        for _ in range(MAX_REDIRECTS + 1):
            self._check_url(call.url)
            answer = self._send(call)
            if answer.status not in REDIRECTS or "Location" not in answer.headers:
                return answer
            call = self._redirected(call, answer)
        raise Permanent(f"{self._place(call.url)} redirects more than {MAX_REDIRECTS} times.")

    def _redirected(self, call: _Call, answer: Answer) -> _Call:
        url = urljoin(call.url, answer.headers["Location"])
        if call.method not in REPEATED:
            raise Permanent(
                f"{self._place(call.url)} sends a {call.method} on to {self._place(url)}. Use that address.",
                status=answer.status,
            )
        old, new = urlsplit(call.url), urlsplit(url)
        if old.scheme == "https" and new.scheme != "https":
            raise Permanent(f"{self._place(call.url)} redirects to an address without encryption.")
        foreign = call.options["foreign"] or _origin(url) != _origin(call.url)
        headers = self._bare_headers() if foreign else call.headers
        return _Call(call.method, url, headers, {"foreign": foreign}, call.max_bytes, call.deadline)

    def _bare_headers(self) -> dict[str, str]:
        return {"User-Agent": self.headers["User-Agent"]}

    def _check_url(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Permanent("Use an address that begins with https:// or http:// and has a host.")
        if self.user_given and (parts.username or parts.password):
            raise Permanent("Leave name and password out of the address.")

    def _send(self, call: _Call) -> Answer:
        options = dict(call.options)
        foreign = options.pop("foreign")
        response = self._session.request(
            call.method,
            call.url,
            headers=dict(call.headers),
            auth=None if foreign else self.auth,
            timeout=self.timeout,
            allow_redirects=False,
            stream=True,
            proxies={} if self.user_given else get_environ_proxies(call.url),
            **options,
        )
        try:
            body = self._read(call, response)
        finally:
            response.close()
        # A session would otherwise carry one account's cookies into another's request.
        self._session.cookies.clear()
        answer = Answer(response.status_code, response.headers, body, rate_limit(response.headers))
        if self.on_answer is not None:
            self.on_answer(answer)
        return answer

    def _read(self, call: _Call, response: requests.Response) -> bytes:
        """The body, piece by piece, so that neither size nor a dripping server can hold us."""
        too_large = TooLarge(
            f"The answer of {self._place(call.url)} is larger than {call.max_bytes:,} bytes.",
            status=response.status_code,
        )
        announced = response.headers.get("Content-Length", "")
        if call.method != "HEAD" and announced.isdigit() and int(announced) > call.max_bytes:
            raise too_large
        pieces, size = [], 0
        while piece := response.raw.read1(65536, decode_content=True):
            pieces.append(piece)
            size += len(piece)
            if size > call.max_bytes:
                raise too_large
            if time.monotonic() > call.deadline:
                raise TimeoutError("the answer took too long")
        return b"".join(pieces)

    # What went wrong

    def _failure(self, call: _Call, error: Exception) -> HttpFailure:
        place = self._place(call.url)
        if isinstance(error, requests.exceptions.SSLError):
            return Permanent(f"{place} has no certificate that can be trusted.")
        if _never_sent(error):
            return Transient(f"{place} cannot be reached: {_reason(error)}.")
        if isinstance(error, ValueError) and not isinstance(error, requests.exceptions.JSONDecodeError):
            return Permanent(f"The request to {place} could not be built ({type(error).__name__}).")
        told = f"{place} did not answer in full: {_reason(error)}."
        return Transient(told) if call.method in REPEATABLE else Uncertain(told)

    def _refusal(self, call: _Call, answer: Answer) -> HttpFailure:
        status, body = answer.status, self._hidden(answer.text[:500])
        told = f"{self._place(call.url)} answered {status}"
        limited = status == 429 or (status in (403, 503) and _exhausted(answer))
        if limited:
            wait = retry_after(answer)
            return RateLimited(
                f"{told}: too many requests, again in {wait:.0f} s.",
                retry_after=wait,
                status=status,
                body=body,
            )
        if status == 401:
            return AuthFailed(f"{told}: the credentials are not accepted.", status=status, body=body)
        if status in TRANSIENT_STATUS:
            repeatable = call.method in REPEATABLE or status in NOT_DONE_STATUS
            kind = Transient if repeatable else Uncertain
            return kind(f"{told}: out of order for now.", status=status, body=body)
        return Permanent(f"{told}: {body[:200]}" if body else f"{told}.", status=status, body=body)

    def _place(self, url: str) -> str:
        """Scheme, host and path of a URL without what is secret in it."""
        parts = urlsplit(url)
        return self._hidden(f"{parts.scheme}://{parts.hostname or ''}{parts.path}")

    def _hidden(self, text: str) -> str:
        parts = urlsplit(text) if "://" in text[:8] else None
        if parts:
            text = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _worth_hiding(texts: Iterable[str]) -> list[str]:
    """The texts and their words, longest first; short ones would only make messages unreadable."""
    words = {word for text in texts for word in [text, *text.split()] if len(word) >= 8}
    return sorted(words, key=len, reverse=True)


def _never_sent(error: Exception) -> bool:
    """Whether a request failed before a byte of it left."""
    if isinstance(error, requests.ConnectTimeout):
        return True
    inner = error.args[0] if error.args else None
    reason = getattr(inner, "reason", inner)
    return isinstance(reason, NewConnectionError | NameResolutionError | ConnectTimeoutError)


def _reason(error: Exception) -> str:
    inner = error.args[0] if error.args else None
    reason = getattr(inner, "reason", inner)
    if isinstance(reason, NameResolutionError):
        return "there is no host of that name"
    if isinstance(error, requests.Timeout | TimeoutError | ReadTimeoutError):
        return "it took too long"
    return "the connection failed" if isinstance(reason, NewConnectionError) else "the connection broke"


# Rate limits

_LIMIT_NAMES = ("X-RateLimit-{}", "X-Rate-Limit-{}", "RateLimit-{}")


def rate_limit(headers: Mapping[str, str]) -> RateLimit:
    """What the usual headers say, whichever spelling the platform chose."""
    return RateLimit(
        limit=_whole(_limit_header(headers, "Limit")),
        remaining=_whole(_limit_header(headers, "Remaining")),
        resets_in=_seconds(_limit_header(headers, "Reset")),
    )


def _limit_header(headers: Mapping[str, str], name: str) -> str:
    for spelling in _LIMIT_NAMES:
        if value := headers.get(spelling.format(name)):
            return value.split(",")[0].split(";")[0].strip()
    return ""


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


def _seconds(text: str) -> float | None:
    """Seconds from now: from a number of seconds, a Unix time, an ISO or an HTTP date."""
    if not text:
        return None
    try:
        number = float(text)
        seconds = number - time.time() if number > 1e9 else number
    except ValueError:
        moment = _moment(text)
        if moment is None:
            return None
        seconds = (moment - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), MAX_WAIT) if math.isfinite(seconds) else None


def _moment(text: str) -> datetime | None:
    for read in (datetime.fromisoformat, email.utils.parsedate_to_datetime):
        try:
            moment = read(text)
        except ValueError:
            continue
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None


def _exhausted(answer: Answer) -> bool:
    return answer.rate_limit.remaining == 0 or "Retry-After" in answer.headers


def retry_after(answer: Answer) -> float:
    """Seconds to wait, from Retry-After, else from the reset of the allowance, else a minute."""
    asked = _seconds(answer.headers.get("Retry-After", ""))
    if asked is None:
        asked = answer.rate_limit.resets_in
    return UNKNOWN_WAIT if asked is None else asked
