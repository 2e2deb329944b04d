"""Runs a whole installation: servers, migrations, web, live, workers and beat, until it is told to end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from types import FrameType

import psycopg2
import redis
from django.conf import settings

from config import processes
from config.embedded import Lock, Servers
from config.places import BASE_DIR, var_dir
from config.prepare import prepare
from config.processes import StartError
from config.programs import beat_command, live_command, watch_command, web_command, worker_commands
from config.supervisor import WORKER_STEPS, GaveUpError, Program, Supervisor

LIVE_PORTS = 20
HEALTH_SECONDS = 60.0
TEND_SECONDS = 0.25
# What must answer before anybody can work starts first; the rest follows when it does, or after this.
HEAD_START = 6.0
MANAGE = str(BASE_DIR / "manage.py")


class Interrupted(Exception):
    """Ctrl-C or SIGTERM came."""


class Installation:
    """Everything that `manage.py up` starts, from the first server to the last worker."""

    def __init__(self, *, demo: bool) -> None:
        self.demo = demo
        self.host = settings.HOST
        self.log_dir = var_dir() / "log"
        self.servers: Servers | None = None
        self.supervisor: Supervisor | None = None
        self.sign_in: subprocess.Popen[str] | None = None
        self.told = False
        self.stopping = False

    def run(self) -> int:
        """Run until a signal comes or a program gives up; returns the exit code."""
        processes.adopt_orphans()
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        signal.signal(signal.SIGHUP, self._on_signal)
        try:
            with Lock():
                self._start_and_tend()
        except Interrupted:
            return 0
        except (StartError, GaveUpError) as error:
            print(f"Error: {error}", file=sys.stderr, flush=True)
            return 1
        return 0

    def _start_and_tend(self) -> None:
        live_port = self._free_ports()
        try:
            self.servers = Servers(connections=settings.DATABASE_CONNECTIONS + 20)
            env = self._environment(self.servers.start(), live_port)
            check_data(env)
            prepare(env)
            self.sign_in = self._ask_sign_in(env)
            self.supervisor = Supervisor(self._programs(env, live_port))
            self.supervisor.start()
            self._tend()
        finally:
            self._end()

    def _free_ports(self) -> int:
        """Check the web's port, and return one for the event stream."""
        if not port_is_free(self.host, settings.PORT):
            raise StartError(
                f"port {settings.PORT} is taken: end what uses it, or choose another with PORT=."
            )
        for port in range(settings.PORT + 1, settings.PORT + 1 + LIVE_PORTS):
            if port_is_free(self.host, port):
                return port
        raise StartError(f"no port from {settings.PORT + 1} on is free: choose another with PORT=.")

    def _environment(self, addresses: Mapping[str, str], live_port: int) -> dict[str, str]:
        return {
            **os.environ,
            **addresses,
            "LIVE_URL": os.environ.get("LIVE_URL") or f":{live_port}",
            "PYTHONUNBUFFERED": "1",
        }

    def _programs(self, env: Mapping[str, str], live_port: int) -> list[Program]:
        """List what is kept running, in the order in which it is started."""
        workers = [
            Program(name, argv, self._log(name), env, steps=WORKER_STEPS, head_start=delay)
            for (name, argv), delay in zip(worker_commands().items(), (0.0, 0.0, HEAD_START), strict=True)
        ]
        live = live_command(self.host, live_port)
        programs = [
            Program("live", live, self._log("live"), env, head_start=HEAD_START),
            Program("web", web_command(self.host, settings.PORT), self._log("web"), env),
            *workers,
            Program("beat", beat_command(), self._log("beat"), env, head_start=HEAD_START),
        ]
        if settings.WATCHES:
            watch = watch_command()
            programs.append(Program("watch", watch, self._log("watch"), env, head_start=HEAD_START))
        if self.demo:
            fill = [sys.executable, MANAGE, "demo", "--if-empty"]
            programs.append(Program("demo", fill, self._log("demo"), env, once=True, head_start=HEAD_START))
        return programs

    def _log(self, name: str) -> Path:
        return self.log_dir / f"{name}.log"

    def _tend(self) -> None:
        assert self.supervisor and self.servers  # noqa: S101
        began = time.monotonic()
        while True:
            self.supervisor.tend()
            dead = self.servers.dead()
            if dead:
                log = self.log_dir / f"{dead[0]}.log"
                raise GaveUpError(f"{dead[0]} ended, the last lines of {log}:\n{processes.last_lines(log)}")
            if not self.told and (self._healthy() or time.monotonic() - began > HEALTH_SECONDS):
                self._tell()
                self.supervisor.hurry()
            time.sleep(TEND_SECONDS)

    def _healthy(self) -> bool:
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104
        request = urllib.request.Request(f"http://{host}:{settings.PORT}/healthz")
        request.add_header("Host", next((name for name in settings.ALLOWED_HOSTS if "*" not in name), host))
        try:
            with urllib.request.urlopen(request, timeout=1) as answer:  # noqa: S310
                return bool(json.load(answer)["status"] == "ok")
        except (urllib.error.URLError, OSError, ValueError):
            return False

    def _tell(self) -> None:
        """Print the one block that a person needs."""
        assert self.sign_in  # noqa: S101
        self.told = True
        hint, _ = self.sign_in.communicate()
        lines = [
            ("Rapport", settings.PUBLIC_URL),
            ("Sign in", hint.strip() or settings.PUBLIC_URL),
            ("Data", f"{var_dir()} (logs in log/)"),
            ("End", "Ctrl-C"),
        ]
        print("\n" + "".join(f"  {name:<9}{text}\n" for name, text in lines), flush=True)

    def _ask_sign_in(self, env: Mapping[str, str]) -> subprocess.Popen[str]:
        """Begin to find out how to sign in, while everything else starts."""
        ask = [sys.executable, MANAGE, "sign_in_hint"]
        log = (self.log_dir / "sign_in.log").open("w")
        with log:
            return subprocess.Popen(ask, stdout=subprocess.PIPE, stderr=log, text=True, env=dict(env))

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        """End at the first signal; at the second, without waiting for work that is going on."""
        if not self.stopping:
            self.stopping = True
            raise Interrupted
        if self.supervisor:
            self.supervisor.kill()

    def _end(self) -> None:
        """End everything, servers last, and make sure that nothing is left."""
        self.stopping = True
        if self.supervisor:
            print("Ending ...", flush=True)
            self.supervisor.end()
        if self.servers:
            self.servers.stop()
        processes.kill_descendants()


def port_is_free(host: str, port: int) -> bool:
    """Tell whether nobody listens there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError as error:
            raise StartError(f"port {port} may not be used by this user: choose one above 1023.") from error
        except OSError:
            return False
    return True


def check_data(env: Mapping[str, str]) -> None:
    """Refuse to go on when PostgreSQL or Redis does not answer, or allows too few connections."""
    try:
        with (
            closing(psycopg2.connect(env["DATABASE_URL"], connect_timeout=5)) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("SELECT current_setting('max_connections')::int")
            allowed = cursor.fetchone()[0]
    except psycopg2.OperationalError as error:
        raise StartError(
            f"DATABASE_URL is unreachable ({str(error).strip().splitlines()[-1].strip()}): "
            "start that server, or unset DATABASE_URL to use the embedded one."
        ) from error
    if allowed < settings.DATABASE_CONNECTIONS:
        raise StartError(
            f"PostgreSQL allows {allowed} connections, {settings.DATABASE_CONNECTIONS} may be needed: "
            "raise its max_connections, or lower WEB_THREADS, WEB_PROCESSES, CHANNEL_THREADS or "
            "WORKER_PROCESSES."
        )
    try:
        redis.Redis.from_url(env["REDIS_URL"], socket_connect_timeout=5, socket_timeout=5).ping()
    except (redis.RedisError, OSError) as error:
        raise StartError(
            f"REDIS_URL is unreachable ({error}): "
            "start that server, or unset REDIS_URL to use the embedded one."
        ) from error
