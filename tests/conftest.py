"""The cast, the servers and the browser that every test may use."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from functools import partialmethod
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.cache import cache
from django.core.management.commands import flush
from django.db import OperationalError
from django.db.backends.postgresql.operations import DatabaseOperations
from django.test import Client

from tests.browser import find_chromium
from tests.live_rapport import LiveRapport, live_process, worker_process
from tests.mail_servers import IMAPServer, SMTPServer, free_port

PASSWORD = "correct-horse-battery"
KEPT_TABLES = ["django_migrations", "django_content_type", "auth_permission"]
FEW_BYTES = 24_000_000
"""Tables of no more are emptied row by row."""
# Playwright keeps an event loop in the test's own thread, where Django would refuse the database.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"


def pytest_configure() -> None:
    """Make what is slow on purpose fast, and let tests that commit empty every table after them."""
    django_settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    DatabaseOperations.sql_flush = partialmethod(_flush_full, DatabaseOperations.sql_flush)
    DatabaseOperations.execute_sql_flush = partialmethod(_flush_again, DatabaseOperations.execute_sql_flush)
    flush.emit_post_migrate_signal = _say_nothing


def _say_nothing(*_args: Any, **_options: Any) -> None:
    """Content types and permissions are made by migrations, and kept."""


def _flush_full(
    operations: Any, sql_flush: Callable[..., list[str]], style: Any, tables: Any, **options: Any
) -> list[str]:
    """Empty the tables that hold rows, partitioned ones too: truncating a hundred takes ten times longer."""
    with operations.connection.cursor() as cursor:
        cursor.execute(
            "SELECT quote_ident(relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> ALL(%s)",
            [KEPT_TABLES],
        )
        names = [name for (name,) in cursor.fetchall()]
        found = ", ".join(f"EXISTS (SELECT FROM {name}), pg_total_relation_size('{name}')" for name in names)
        cursor.execute(f"SELECT current_setting('is_superuser')::bool, {found}")
        may, *told = cursor.fetchone()
    full, sizes = [name for name, holds in zip(names, told[::2], strict=True) if holds], told[1::2]
    if may and sum(sizes) < FEW_BYTES:
        return ["SET LOCAL session_replication_role = replica", *(f"DELETE FROM {name}" for name in full)]
    return [f"TRUNCATE {', '.join(full)} CASCADE"] if full else []


def _flush_again(operations: Any, flush: Callable[..., None], sql_list: list[str]) -> None:
    """Empty the tables once more where a request of a page that was just closed held some of them."""
    for left in reversed(range(5)):
        try:
            return flush(operations, sql_list)
        except OperationalError as error:
            if left == 0 or "deadlock" not in str(error):
                raise
            time.sleep(0.2)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail in CI when a test was skipped: what cannot run everywhere is marked `peer` instead."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and exitstatus == 0 and reporter and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(autouse=True)
def _own_place(settings: Any, tmp_path: Path) -> Iterator[None]:
    """Give each test an empty cache and a folder of its own for files."""
    settings.MEDIA_ROOT = tmp_path / "media"
    cache.clear()
    yield


# The cast


@pytest.fixture
def staff(db: None) -> Callable[..., Any]:
    """Return a function that makes a member of staff: `staff("amy", "agent", teams=[…])`."""
    from accounts.services import create_staff

    def make(name: str, role: str, **more: Any) -> Any:
        return create_staff(
            email=f"{name}@example.com", name=name.capitalize(), password=PASSWORD, role=role, **more
        )

    return make


@pytest.fixture
def ada(staff: Callable[..., Any]) -> Any:
    """Ada, an admin."""
    return staff("ada", "admin")


@pytest.fixture
def max(staff: Callable[..., Any]) -> Any:
    """Max, a manager."""
    return staff("max", "manager")


@pytest.fixture
def amy(staff: Callable[..., Any]) -> Any:
    """Amy, an agent."""
    return staff("amy", "agent")


@pytest.fixture
def mia(staff: Callable[..., Any]) -> Any:
    """Mia, a marketer."""
    return staff("mia", "marketer")


@pytest.fixture
def vic(staff: Callable[..., Any]) -> Any:
    """Vic, a viewer."""
    return staff("vic", "viewer")


@pytest.fixture
def anonymous(client: Client) -> Client:
    """Nobody: a browser that is not signed in."""
    return client


@pytest.fixture
def signed_in() -> Callable[[Any], Client]:
    """Return a function that gives the browser of a member of staff: `signed_in(amy).get("/inbox/")`."""

    def sign_in(user: Any) -> Client:
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return client

    return sign_in


# Mail


@pytest.fixture
def smtp_server() -> Iterator[SMTPServer]:
    """A real SMTP server that keeps what it takes in `received`."""
    server = SMTPServer(free_port())
    server.start()
    yield server
    server.stop()


@pytest.fixture
def imap_server() -> Iterator[IMAPServer]:
    """A real IMAP server with one empty mailbox; `deliver(bytes)` puts a message in."""
    server = IMAPServer(free_port())
    server.start()
    yield server
    server.stop()


# The browser


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One Chromium for all tests."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(**find_chromium().launch_options())
        yield running
        running.close()


@pytest.fixture(scope="session")
def live_stream(live_server: Any, django_db_setup: None, django_db_blocker: Any) -> Iterator[int]:
    """One event stream for the pages of all tests; gives its port."""
    with django_db_blocker.unblock(), live_process(live_server.url) as port:
        yield port


@pytest.fixture
def live_rapport(live_server: Any, live_stream: int, settings: Any) -> Iterator[LiveRapport]:
    """Pages and the event stream on loopback, on the test database; ends when all its streams are closed."""
    settings.LIVE_URL = f":{live_stream}"
    rapport = LiveRapport(live_server.url, live_stream)
    yield rapport
    rapport.wait_for_streams(0)


@pytest.fixture
def worker(transactional_db: None) -> Iterator[None]:
    """A real worker on the test database."""
    with worker_process():
        yield


@pytest.fixture
def new_window(browser: Any, live_rapport: LiveRapport) -> Iterator[Callable[..., Any]]:
    """Return a function that opens a window with cookies of its own: `new_window(amy)` is signed in."""
    contexts = []

    def open_window(user: Any = None, *, width: int = 1440, height: int = 900, theme: str = "light") -> Any:
        context = browser.new_context(
            base_url=live_rapport.url,
            viewport={"width": width, "height": height},
            color_scheme=theme,
            locale="en-US",
            reduced_motion="reduce",
        )
        context.set_default_timeout(10_000)
        contexts.append(context)
        if user is not None:
            _carry_session(context, user, live_rapport.url)
        return context.new_page()

    yield open_window
    # No page asks for anything any more when the tables are emptied.
    for context in contexts:
        for window in context.pages:
            window.goto("about:blank")
        context.close()
    live_rapport.wait_for_rest()


def _carry_session(context: Any, user: Any, url: str) -> None:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    name = django_settings.SESSION_COOKIE_NAME
    context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": url}])


@pytest.fixture
def page(new_window: Callable[..., Any]) -> Any:
    """A window in which nobody is signed in."""
    return new_window()
