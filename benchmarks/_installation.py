"""A whole Rapport of its own for a measurement: `manage.py up` on its own folder and port."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

BASE_DIR = Path(__file__).resolve().parent.parent
# What belongs to the installation around us.
OURS = ("DATABASE_URL", "REDIS_URL", "VAR_DIR", "SECRET_KEY", "RAPPORT_KEY", "LIVE_URL", "PUBLIC_URL")
START_SECONDS = 240.0


@dataclass
class Answer:
    """What came back over HTTP."""

    status: int
    body: Any


@dataclass
class Installation:
    """One running `manage.py up`."""

    var: Path
    port: int
    env: dict[str, str]
    running: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def database_url(self) -> str:
        """Return the address of its database."""
        lines = (self.var / "run" / "servers.env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)["DATABASE_URL"]

    def healthy(self) -> bool:
        """Tell whether web, database, Redis and a worker are up."""
        if self.running.poll() is not None:
            sys.exit(f"Error: manage.py up ended, see {self.var}/up.log:\n{self.output()}")
        try:
            return self.call("GET", "/healthz").status == 200
        except OSError:
            return False

    def output(self) -> str:
        """Return what `up` printed."""
        return (self.var / "up.log").read_text()

    def call(self, method: str, path: str, data: Any = None, **headers: str) -> Answer:
        """Ask over HTTP. Raises OSError where nobody answers."""
        body = None if data is None else json.dumps(data).encode()
        request = urllib.request.Request(self.url + path, data=body, method=method)  # noqa: S310
        request.add_header("Content-Type", "application/json")
        for name, value in headers.items():
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                return Answer(answer.status, json.load(answer))
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.read().decode(errors="replace"))
        except ConnectionError as error:
            raise OSError(str(error)) from error

    def parent(self, words: str) -> psutil.Process | None:
        """Return the child of the supervisor whose command line holds these words."""
        for child in psutil.Process(self.running.pid).children():
            try:
                if words in " ".join(child.cmdline()) and child.status() != psutil.STATUS_ZOMBIE:
                    return child
            except psutil.NoSuchProcess:
                continue
        return None


@contextmanager
def installation(**settings: str) -> Iterator[Installation]:
    """Run an empty one for this block, and remove it."""
    var = Path(tempfile.mkdtemp(prefix="rapport-bench-"))
    var.chmod(0o711)
    own = {name: value for name, value in os.environ.items() if name not in OURS}
    env = {**own, "VAR_DIR": str(var), "PORT": str(free_port()), "DEMO": "0", **settings}
    try:
        with (var / "up.log").open("wb") as log:
            running = subprocess.Popen(
                [sys.executable, "manage.py", "up"], cwd=BASE_DIR, env=env, stdout=log, stderr=log
            )
        made = Installation(var, int(env["PORT"]), env, running)
        try:
            wait_until(made.healthy, seconds=START_SECONDS, what="a healthy start")
            yield made
        finally:
            running.send_signal(signal.SIGTERM)
            running.wait(90)
    finally:
        shutil.rmtree(var, ignore_errors=True)


def free_port() -> int:
    """Return a port that nobody listens on, with free ones after it as `up` wants them."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(true: Callable[[], bool], *, seconds: float, what: str) -> None:
    """Wait for something; ends the program when it does not come."""
    until = time.monotonic() + seconds
    while not true():
        if time.monotonic() > until:
            sys.exit(f"Error: {what} did not come within {seconds:,.0f} s.")
        time.sleep(0.2)


def use(database_url: str, installed: Installation) -> None:
    """Set Django of this process up on the database and secrets of an installation."""
    for name in OURS:
        os.environ.pop(name, None)
    os.environ["VAR_DIR"] = installed.env["VAR_DIR"]
    os.environ["PORT"] = installed.env["PORT"]
    os.environ["DATABASE_URL"] = database_url
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()


def new_key() -> str:
    """Make an admin and return the token of an API key that may do everything."""
    from accounts.models import Role
    from accounts.permissions import SCOPES
    from accounts.services import create_api_key, create_staff

    admin = create_staff(
        email="bench@example.com", name="Bench", password=secrets.token_urlsafe(), role=Role.ADMIN
    )
    return create_api_key(name="bench", scopes=list(SCOPES), by=admin)[1]
