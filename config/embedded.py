"""The embedded servers together: which are needed, who may start them, where they are found.

    python -m config.embedded [--durable] COMMAND …

runs a command beside servers of its own: throwaway ones, as tests want it, or with --durable ones that write
to disk as in earnest, as measurements want it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import IO

from config.places import read_servers, servers_file, var_dir, write_private
from config.postgres import Postgres
from config.processes import StartError
from config.valkey import Valkey

ADDRESSES = ("DATABASE_URL", "REDIS_URL")


class Lock:
    """Held as long as somebody runs servers on this `var/`; the kernel frees it when he dies."""

    def __init__(self) -> None:
        self.file: IO[str] | None = None

    def __enter__(self) -> None:
        path = var_dir() / "lock"
        try:
            path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
            self.file = path.open("a+")
        except OSError as error:
            raise StartError(
                f"{var_dir()} is not writable ({error.strerror}): give it to this user, or set VAR_DIR."
            ) from error
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StartError(_held_by(self.file)) from error
        self.file.truncate(0)
        self.file.write(f"{os.getpid()}\n")
        self.file.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.file:
            self.file.close()


def _held_by(file: IO[str]) -> str:
    file.seek(0)
    return (
        f"Rapport already runs on {var_dir()} (process {file.read().strip() or 'unknown'}): "
        "stop it there with Ctrl-C, or set VAR_DIR and PORT for a second one."
    )


class Servers:
    """The servers that the environment does not name, and their addresses for everybody else."""

    def __init__(self, *, connections: int, throwaway: bool = False) -> None:
        self.postgres = None if os.environ.get("DATABASE_URL") else Postgres(connections, throwaway)
        self.valkey = None if os.environ.get("REDIS_URL") else Valkey(throwaway)

    def start(self) -> dict[str, str]:
        """Start them, leave their addresses in `var/run/servers.env` and return them."""
        servers_file().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = {}
        if self.valkey:
            found["REDIS_URL"] = self.valkey.start()
        if self.postgres:
            found["DATABASE_URL"] = self.postgres.start()
        write_private(servers_file(), "".join(f"{name}={value}\n" for name, value in found.items()))
        return found

    def stop(self) -> None:
        """End them; nothing points at them any more."""
        servers_file().unlink(missing_ok=True)
        if self.valkey:
            self.valkey.stop()
        if self.postgres:
            self.postgres.stop()

    def dead(self) -> list[str]:
        """Return the names of those that ended by themselves."""
        servers = {"postgres": self.postgres, "valkey": self.valkey}
        return [
            name
            for name, server in servers.items()
            if server and server.process and server.process.poll() is not None
        ]


@contextlib.contextmanager
def running(*, connections: int = 150, throwaway: bool = False) -> Iterator[dict[str, str]]:
    """Run servers for this block, alone on this `var/`, and give all addresses."""
    with Lock():
        servers = Servers(connections=connections, throwaway=throwaway)
        try:
            yield {**given_addresses(), **servers.start()}
        finally:
            servers.stop()


@contextlib.contextmanager
def reached(*, connections: int) -> Iterator[dict[str, str]]:
    """Give the addresses of servers that run, or else run them for this block."""
    found = {**read_servers(), **given_addresses()}
    if len(found) == len(ADDRESSES) and (len(given_addresses()) == len(ADDRESSES) or lock_is_held()):
        yield found
        return
    with running(connections=connections) as addresses:
        yield addresses


def given_addresses() -> dict[str, str]:
    """Return the addresses that the environment names."""
    return {name: os.environ[name] for name in ADDRESSES if os.environ.get(name)}


def lock_is_held() -> bool:
    """Tell whether somebody runs servers on this `var/`."""
    try:
        with Lock():
            return False
    except StartError:
        return True


def main() -> int:
    """Run the command of the command line beside servers of its own and return its exit code."""
    argv = sys.argv[1:]
    durable = argv[:1] == ["--durable"]
    if not argv[durable:]:
        print("usage: python -m config.embedded [--durable] COMMAND …", file=sys.stderr)
        return 2
    try:
        with running(throwaway=not durable) as addresses:
            return _run(argv[durable:], {**os.environ, **addresses})
    except StartError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1


def _run(argv: list[str], env: dict[str, str]) -> int:
    child = subprocess.Popen(argv, env=env)

    def pass_on(number: int, frame: FrameType | None) -> None:
        child.send_signal(number)

    signal.signal(signal.SIGTERM, pass_on)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return child.wait()


if __name__ == "__main__":
    sys.exit(main())
