"""A published contract between us and a double: prism stands before it and refuses what the contract does not
know, in what we ask and in what the double answers.

    with prism("twilio.json", there.url) as proxy:
        settings.CHANNEL_URLS = {"twilio": proxy.url}
        ...
    assert proxy.violations == []

The contract is read where RAPPORT_SAMPLES says; prism is installed from its lock file into var/.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest

from tests.mail_servers import free_port

HERE = Path(__file__).resolve().parent / "prism"
INSTALLED = Path(__file__).resolve().parents[2] / "var" / "peers" / "prism"
START_SECONDS = 120


@dataclass
class Proxy:
    """Where prism listens, and everything that it refused."""

    url: str
    log: Path
    begins: int = 0
    violations: list[str] = field(default_factory=list)

    def read(self) -> None:
        """Take in what the log holds of violations."""
        lines = self.log.read_text(errors="replace")[self.begins :].splitlines()
        self.violations = [line for line in lines if "violation" in line.lower() or "✖" in line]


def contract(name: str) -> Path:
    """A contract of RAPPORT_SAMPLES; without it the test fails, for it has shown nothing."""
    path = Path(os.environ.get("RAPPORT_SAMPLES", "")) / "contracts" / name
    if not os.environ.get("RAPPORT_SAMPLES") or not path.is_file():
        pytest.fail(f"set RAPPORT_SAMPLES to a folder that holds contracts/{name}")
    return path


def install() -> Path:
    """The program, installed once by its lock file."""
    program = INSTALLED / "node_modules" / ".bin" / "prism"
    if not program.exists():
        INSTALLED.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, INSTALLED / name)
        subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=INSTALLED,
            check=True,
            timeout=600,
        )
    return program


@contextmanager
def prism(name: str, upstream: str) -> Iterator[Proxy]:
    """The proxy before a double at `upstream`; what it refused stands in `violations` afterwards."""
    program, spec = install(), contract(name)
    port = free_port()
    log = INSTALLED / f"{port}.log"
    command = [str(program), "proxy", "-h", "127.0.0.1", "-p", str(port), "--errors", str(spec), upstream]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    proxy = Proxy(f"http://127.0.0.1:{port}", log)
    try:
        _wait(proxy, process)
        yield proxy
    finally:
        process.terminate()
        process.wait(timeout=20)
        proxy.read()
        log.unlink()


def _wait(proxy: Proxy, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            with urlopen(proxy.url, timeout=5):
                break
        except HTTPError:
            break
        except (URLError, OSError):
            time.sleep(0.3)
    else:
        pytest.fail("prism did not start:\n" + proxy.log.read_text(errors="replace")[-2000:])
    time.sleep(0.2)
    proxy.begins = len(proxy.log.read_text(errors="replace"))
