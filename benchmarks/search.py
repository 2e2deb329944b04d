"""What a search costs among 1,000,000 customers and 5,000,000 interactions, over HTTP.

Terms are drawn by how often they are found, and asked by an admin and by an agent whose one team has a
thousandth of everything: in the palette, on the page of messages, in the list of customers and over the API.
Four browsers at once for the times; then each term once more, alone, with every statement of the request
explained by the database itself. Data and seed: `_haystack.py`.
"""

from __future__ import annotations

import http.client
import itertools
import os
import re
import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from benchmarks import _haystack
from benchmarks._explained import explained, work_since
from benchmarks._figures import Figures, is_small, migrated_django, say_machine, spread
from benchmarks._installation import free_port, wait_until

AT_ONCE = 4
REQUESTS = 40
MOST_REMOVED, MOST_BUFFERS, MOST_RATIO = 20.0, 5_000, 1.2
PAGE, STEP = 50, 10
ROUNDS = 60
SHOWN = re.compile(
    r'<span class="r-fill r-cut"|<tr class="r-hover"|data-conversation="|"(object|occurred_at|last_seen_at)":'
)


@dataclass(frozen=True)
class Case:
    """Terms of one kind, and where they are asked for."""

    name: str
    path: str
    terms: Sequence[str]

    def paths(self) -> Iterator[str]:
        """Return the addresses, over and over."""
        return itertools.cycle([self.path + quote(term) for term in self.terms])


@dataclass(frozen=True)
class Reader:
    """A member of staff, by browser and by program."""

    cookie: str
    key: str


@dataclass
class Browser:
    """One reader on one connection."""

    host: str
    reader: Reader

    def __post_init__(self) -> None:
        self.connection = http.client.HTTPConnection(self.host, timeout=120)

    def get(self, path: str) -> str:
        """Return the body. Raises RuntimeError for another answer than 200."""
        headers = {"Cookie": f"sessionid={self.reader.cookie}"}
        if path.startswith("/api/"):
            headers = {"Authorization": f"Bearer {self.reader.key}"}
        if path.startswith("/search/?"):
            headers["HX-Request"] = "true"
        self.connection.request("GET", path, headers=headers)
        answer = self.connection.getresponse()
        body = answer.read().decode()
        if answer.status != 200:
            raise RuntimeError(f"{path} answered {answer.status}: {body[:300]}")
        return body


def main() -> int:
    """Measure and return the exit code."""
    figures = Figures()
    size = _haystack.SMALL if is_small() else _haystack.FULL
    say_machine(figures)
    figures.say("browsers at once", AT_ONCE)
    figures.say("requests a case", REQUESTS)
    with migrated_django() as url:
        readers = _fill(figures, size)
        with _web(url) as host:
            for who, reader in readers.items():
                for case in _cases(size):
                    _time(figures, who, case, host, reader)
            _pages(figures, size, Browser(host, readers["admin"]))
            with explained(url, urlsplit(url).path.lstrip("/")):
                for who, reader in readers.items():
                    for case in _cases(size):
                        _explain(figures, who, case, Browser(host, reader))
    return figures.exit_code()


def _cases(size: _haystack.Size) -> Iterator[Case]:
    words = [
        [_haystack.message_word(kind, n) for n in range(count)] for kind, count in enumerate(_haystack.TERMS)
    ]
    names = [
        [_haystack.name_word(kind, n) for n in range(count)] for kind, count in enumerate(_haystack.TERMS)
    ]
    both = [f"{words[3][0]} {word}" for word in words[2]]
    none = [f"nobodysaid{n}" for n in range(10)]
    for path in ("/search/?q=", "/search/messages/?q=", "/api/v1/interactions/?q="):
        for hits, terms in zip(size.hits, words, strict=True):
            yield Case(f"{path} {hits:,} hits", path, terms)
        yield Case(f"{path} two words", path, both)
        yield Case(f"{path} a prefix", path, [f"{word[:-1]}*" for word in (words[1][0], words[2][0])])
        yield Case(f"{path} no hit", path, none)
    phones = [_haystack.phone(2 * n) for n in range(1, 11)]
    spelled = [f"0{number[3:6]} {number[6:9]}-{number[9:]}" for number in phones]
    for path in ("/search/?q=", "/customers/?q=", "/api/v1/customers/?q="):
        for hits, terms in zip(size.names, names, strict=True):
            yield Case(f"{path} {hits:,} customers", path, terms)
        yield Case(f"{path} first name and surname", path, [f"{name} anna" for name in names[2]])
        yield Case(f"{path} a phone number", path, spelled)
        yield Case(f"{path} an order", path, [_haystack.order_number(n) for n in range(1, 11)])
    yield Case("/inbox/rows/?view=open&q= in conversations", "/inbox/rows/?view=open&q=", words[2])


# Servers and data


def _fill(figures: Figures, size: _haystack.Size) -> dict[str, Reader]:
    """Make the data; return who reads it."""
    from django.core.cache import cache
    from django.db import connection

    from accounts.models import Role, Team
    from accounts.services import create_staff
    from crm.models import Customer
    from engagement.models import Interaction

    figures.say("seed", str(_haystack.SEED))
    teams = [Team.general(), *(Team.objects.create(name=f"Team {n}") for n in range(18))]
    small = Team.objects.create(name="Small")
    thousandths = [300, *[40] * 17, 19, 1]
    shares = [
        _haystack.Share(team.pk, _account(team), share)
        for team, share in zip([*teams, small], thousandths, strict=True)
    ]
    began = time.perf_counter()
    _haystack.fill(connection, size, shares)
    figures.say("seconds to make the data", time.perf_counter() - began)
    figures.say("customers", Customer.objects.count())
    figures.say("interactions", Interaction.objects.count())
    figures.say("interactions of the small team", Interaction.objects.filter(team=small).count())
    secret = secrets.token_urlsafe()
    staff = {
        "admin": create_staff(email="ada@example.com", name="Ada", password=secret, role=Role.ADMIN),
        "agent": create_staff(
            email="amy@example.com", name="Amy", password=secret, role=Role.AGENT, teams=[small]
        ),
    }
    found = {who: _reader(user, maker=staff["admin"]) for who, user in staff.items()}
    cache.clear()
    return found


def _reader(user: Any, *, maker: Any) -> Reader:
    """Sign somebody in; the key is made by an admin and acts for him."""
    from django.test import Client

    from accounts.models import APIKey
    from accounts.permissions import SCOPES
    from accounts.services import create_api_key

    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    key, token = create_api_key(name=f"bench for {user}", scopes=list(SCOPES), by=maker)
    APIKey.objects.filter(pk=key.pk).update(created_by=user)
    return Reader(client.cookies["sessionid"].value, token)


def _account(team: Any) -> int:
    from engagement.models import ChannelAccount

    made = ChannelAccount.objects.create(
        connector="api", network="bench", external_id=team.name, name=team.name, issuer=team.name, team=team
    )
    return int(made.pk)


@contextmanager
def _web(url: str) -> Iterator[str]:
    """Serve pages and API as an installation does; return where."""
    from config.programs import web_command

    port = free_port()
    env = {**os.environ, "DATABASE_URL": url, "PORT": str(port), "API_RATE": "100000/min"}
    running = subprocess.Popen(web_command("127.0.0.1", port), env=env, stdout=subprocess.DEVNULL)
    host = f"127.0.0.1:{port}"
    try:
        wait_until(lambda: _answers(host), seconds=60, what="an answer of the web server")
        yield host
    finally:
        running.terminate()
        running.wait(30)


def _answers(host: str) -> bool:
    try:
        connection = http.client.HTTPConnection(host, timeout=5)
        connection.request("GET", "/accounts/login/")
        return connection.getresponse().status == 200
    except OSError:
        return False


# Measuring


def _time(figures: Figures, who: str, case: Case, host: str, reader: Reader) -> None:
    """Ask from several browsers at once."""
    from django.core.cache import cache

    cache.clear()
    paths = list(itertools.islice(case.paths(), REQUESTS))

    def ask(some: Sequence[str]) -> list[float]:
        browser = Browser(host, reader)
        seconds = []
        for path in some:
            began = time.perf_counter()
            browser.get(path)
            seconds.append(time.perf_counter() - began)
        return seconds

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(ask, [paths[n::AT_ONCE] for n in range(AT_ONCE)])
        figures.say(f"{who}, {case.name}", spread([one for seconds in found for one in seconds]))


def _explain(figures: Figures, who: str, case: Case, browser: Browser) -> None:
    """Ask for each term once, and add up what the database did for it."""
    from config.places import var_dir

    log = Path(var_dir(), "log", "postgres.log")
    removed, buffers, heaviest = 0.0, 0, ""
    shown: list[int] = []
    for path in dict.fromkeys(itertools.islice(case.paths(), len(case.terms))):
        offset = log.stat().st_size
        rows = len(SHOWN.findall(browser.get(path)))
        work = work_since(log, offset)
        if not work.statements:
            raise RuntimeError(f"No plan was written to {log}: is auto_explain there?")
        shown.append(rows)
        removed = max(removed, work.removed / max(rows, 1))
        if work.buffers > buffers:
            buffers, heaviest = work.buffers, work.heaviest
    name = f"{who}, {case.name}"
    figures.say(f"{name}, rows shown", f"{min(shown)} to {max(shown)}")
    figures.at_most(f"{name}, rows removed for a row shown", removed, MOST_REMOVED)
    figures.at_most(f"{name}, buffers", buffers, MOST_BUFFERS)
    if buffers > MOST_BUFFERS and os.environ.get("EXPLAIN"):
        figures.say("heaviest", heaviest[:2000])


def _pages(figures: Figures, size: _haystack.Size, browser: Browser) -> None:
    """Compare the first page of a list with a late one, in turns."""
    late = min(1000, size.customers // PAGE * 3 // 4)
    domain = _haystack.name_word(3, 0)
    for first in ("/customers/", "/customers/?sort=name", f"/customers/?q={domain}"):
        pages = min(late, size.names[3] // PAGE * 3 // 4) if "q=" in first else late
        there = _page_at(browser, first, pages)
        seconds: dict[str, list[float]] = {first: [], there: []}
        for _ in range(ROUNDS):
            for path, times in seconds.items():
                began = time.perf_counter()
                browser.get(path)
                times.append(time.perf_counter() - began)
        figures.say(f"{first} page 1", spread(seconds[first]))
        figures.say(f"{first} page {pages:,}", spread(seconds[there]))
        ratio = statistics.median(seconds[there]) / statistics.median(seconds[first])
        name = f"{first} page {pages:,} to page 1, ratio"
        if "q=" in first:
            # A piece of ids is read as a whole, and the first one may be short: told, not bound.
            figures.say(name, ratio)
        else:
            figures.at_most(name, ratio, MOST_RATIO)


def _page_at(browser: Browser, first: str, page: int) -> str:
    """Return the address of a page, found by going there in steps of ten pages."""
    there, done = first, 1
    while done < page:
        step = min(STEP, page - done)
        long = f"{there}{'&' if '?' in there else '?'}limit={step * PAGE}"
        there = "/customers/?" + re.sub("&?limit=[0-9]+", "", _next(browser.get(long)))
        done += step
    return there


def _next(body: str) -> str:
    found = re.search(r'href="\?([^"]+)" rel="next"', body)
    if found is None:
        raise RuntimeError("There is no next page.")
    return found[1].replace("&amp;", "&")


if __name__ == "__main__":
    sys.exit(main())
