"""The whole way at once: a real mail server, the process that watches it, and a worker that pulls."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from engagement.models import ChannelAccount, Interaction
from tests.channels.email.dovecot import Dovecot
from tests.live_rapport import process_env

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.peer]


@pytest.fixture
def dovecot() -> Iterator[Dovecot]:
    if Dovecot.program() is None:
        pytest.skip("Dovecot is not installed (Debian: dovecot-imapd dovecot-lmtpd)")
    home = Path(tempfile.mkdtemp(prefix="dovecot-"))
    server = Dovecot(home)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(home)


@pytest.fixture
def watch() -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Return a function that starts the process; what is left is ended."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        argv = [sys.executable, str(Path(settings.BASE_DIR) / "manage.py"), "watch"]
        env = {**process_env(), "RAPPORT_ALLOW_PRIVATE_HOSTS": "127.0.0.1"}
        started.append(subprocess.Popen(argv, env=env, stdout=sys.stderr))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def until(condition: Callable[[], bool], seconds: float) -> float:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds
        time.sleep(0.05)
    return time.monotonic() - began


def here(message_id: str) -> bool:
    return Interaction.objects.filter(external_id=message_id).exists()


def stands() -> bool:
    """Whether the process has asked for the first pull, and it is done."""
    return bool(ChannelAccount.objects.get().cursor)


def connections() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE application_name LIKE 'rapport watch%%' AND datname = current_database()",
            [],
        )
        return int(cursor.fetchone()[0])


def test_mail_is_there_within_seconds_and_a_killed_process_loses_none(
    new_account, dovecot, watch, new_mail, monkeypatch
) -> None:
    monkeypatch.setenv("RAPPORT_ALLOW_PRIVATE_HOSTS", "127.0.0.1")
    from tests.live_rapport import worker_process

    new_account(imap=dovecot, watch=True, only_new=True)
    with worker_process():
        process = watch()
        until(stands, 60)
        dovecot.deliver(new_mail(message_id="m1@example.org"))
        assert until(lambda: here("m1@example.org"), 15) < 10
        assert connections() == 1
        process.kill()
        process.wait()
        dovecot.deliver(new_mail(message_id="m2@example.org"))
        again = watch()
        until(lambda: here("m2@example.org"), 60)
        dovecot.deliver(new_mail(message_id="m3@example.org"))
        until(lambda: here("m3@example.org"), 15)
        again.send_signal(signal.SIGTERM)
        assert again.wait(10) == 0
    assert Interaction.objects.count() == 3
