"""An installation of its own for tests of starting, ending, saving and restoring."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from tests.mail_servers import free_port

BASE_DIR = Path(__file__).resolve().parent.parent.parent
OURS = ("DATABASE_URL", "REDIS_URL", "VAR_DIR", "SECRET_KEY", "RAPPORT_KEY", "LIVE_URL", "PUBLIC_URL")


@dataclass
class Installation:
    """One `var/` with what runs on it."""

    var: Path
    port: int = field(default_factory=free_port)
    running: subprocess.Popen[str] | None = None

    def env(self, **more: str) -> dict[str, str]:
        """Return the environment of somebody who set nothing but place and port."""
        own = {name: value for name, value in os.environ.items() if name not in OURS}
        return {**own, "VAR_DIR": str(self.var), "PORT": str(self.port), "DEMO": "0", **more}

    def manage(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run manage.py to its end."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=BASE_DIR,
            env=self.env(**more),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def up(self, **more: str) -> None:
        """Start everything and wait until it is healthy."""
        self.running = subprocess.Popen(
            [sys.executable, "manage.py", "up"],
            cwd=BASE_DIR,
            env=self.env(**more),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        wait_until(self.healthy, seconds=90)

    def healthy(self) -> bool:
        """Tell whether /healthz answers 200."""
        assert self.running and self.running.poll() is None, self.running.communicate()[0]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def processes(self) -> list[psutil.Process]:
        """Return every process that was started, grandchildren included."""
        assert self.running
        return psutil.Process(self.running.pid).children(recursive=True)

    def find(self, words: str) -> psutil.Process | None:
        """Return the child of the supervisor whose command line holds these words."""
        assert self.running
        for child in psutil.Process(self.running.pid).children():
            try:
                if words in " ".join(child.cmdline()) and child.status() != psutil.STATUS_ZOMBIE:
                    return child
            except psutil.NoSuchProcess:
                continue
        return None

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """End it as a person would and return the exit code and what was printed."""
        assert self.running
        if self.running.poll() is None:
            self.running.send_signal(number)
        output, _ = self.running.communicate(timeout=90)
        code = self.running.returncode
        self.running = None
        return code, output


def wait_until(true: Callable[[], bool], *, seconds: float) -> None:
    """Wait for something, and fail when it does not come."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.1)


@pytest.fixture
def installation() -> Iterator[Installation]:
    """An installation that was never started, in a folder that PostgreSQL's user may enter as well."""
    folder = Path(tempfile.mkdtemp(prefix="rapport-test-"))
    folder.chmod(0o711)
    made = Installation(folder / "var")
    yield made
    if made.running:
        made.end()
    shutil.rmtree(folder)
