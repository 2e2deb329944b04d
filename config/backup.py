"""Saves an installation as one file, and puts it back.

The file is a tar: manifest.json, database.dump (pg_dump's custom format), media/ and secrets/. The database
is a snapshot; files are copied after it, and none that it knows is ever changed, so the two fit.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psycopg2
import redis
from django.conf import settings
from psycopg2 import sql
from psycopg2.extensions import parse_dsn

from config import postgres
from config.archives import unpack
from config.places import var_dir, write_private
from config.processes import StartError

FORMAT = 1
MANIFEST = "manifest.json"
DUMP = "database.dump"


def save(addresses: Mapping[str, str]) -> Path:
    """Write a backup to `var/backups/<time>.tar`, readable by its owner only, and return it."""
    folder = var_dir() / "backups"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    target = folder / f"{datetime.now(UTC):%Y-%m-%d-%H%M%S}.tar"
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        draft = Path(scratch) / "backup.tar"
        dump = Path(scratch) / DUMP
        _run("pg_dump", addresses["DATABASE_URL"], "--format=custom", "--no-owner", f"--file={dump}")
        _run("pg_restore", addresses["DATABASE_URL"], "--list", str(dump))
        _pack(draft, dump)
        draft.chmod(0o600)
        draft.rename(target)
    return target


def _pack(target: Path, dump: Path) -> None:
    secrets = dump.with_name("secrets")
    secrets.mkdir()
    write_private(secrets / "secret_key", settings.SECRET_KEY + "\n")
    write_private(secrets / "rapport_key", settings.RAPPORT_KEY + "\n")
    manifest_file = dump.with_name(MANIFEST)
    manifest = {"format": FORMAT, "made_at": datetime.now(UTC).isoformat(), DUMP: _hash(dump)}
    manifest_file.write_text(json.dumps(manifest))
    with tarfile.open(target, "w") as archive:
        for path in (manifest_file, dump, secrets):
            archive.add(path, path.name)
        if Path(settings.MEDIA_ROOT).exists():
            archive.add(settings.MEDIA_ROOT, "media")


def _hash(path: Path) -> str:
    """Return what tells a damaged dump: pg_restore takes some damage for the end of a table."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def put_back(file: Path, addresses: Mapping[str, str]) -> list[str]:
    """Replace database, files and secrets by those of a backup; returns what a person must still do.

    Everything is unpacked and restored beside what is there, and changes places at the end: a backup that
    turns out to be damaged changes nothing.
    """
    var_dir().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=var_dir()) as scratch:
        unpacked = Path(scratch)
        _unpack(file, unpacked)
        with _restored(unpacked / DUMP, addresses["DATABASE_URL"]) as swap_database:
            swap_database()
        _swap_media(unpacked / "media")
        todo = _put_secrets_back(unpacked / "secrets")
    _forget_queues(addresses["REDIS_URL"])
    return todo


def _unpack(file: Path, target: Path) -> None:
    try:
        with tarfile.open(file, "r:") as archive:
            unpack(archive, target)
        manifest = json.loads((target / MANIFEST).read_text())
    except FileNotFoundError as error:
        raise StartError(f"{error.filename} does not exist or {file} is no backup of Rapport.") from error
    except (tarfile.TarError, ValueError, OSError) as error:
        raise StartError(f"{file} is no backup of Rapport, or it is damaged ({error}).") from error
    if manifest.get("format") != FORMAT or _hash(target / DUMP) != manifest.get(DUMP):
        raise StartError(f"{file} is damaged, or was made by a later version of Rapport.")


@contextmanager
def _restored(dump: Path, url: str) -> Iterator[Callable[[], None]]:
    """Restore into a new database and give what puts it in the old one's place."""
    name = parse_dsn(url)["dbname"]
    draft, old = f"{name}_restoring", f"{name}_before_restore"
    with closing(psycopg2.connect(url, dbname="postgres")) as connection:
        connection.autocommit = True

        def run(statement: str, *names: str) -> None:
            with connection.cursor() as cursor:
                cursor.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

        def swap() -> None:
            run("DROP DATABASE IF EXISTS {} WITH (FORCE)", old)
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
                )
            run("ALTER DATABASE {} RENAME TO {}", name, old)
            run("ALTER DATABASE {} RENAME TO {}", draft, name)
            run("DROP DATABASE {} WITH (FORCE)", old)

        run("DROP DATABASE IF EXISTS {} WITH (FORCE)", draft)
        run("CREATE DATABASE {} TEMPLATE template0", draft)
        _run("pg_restore", url, "--no-owner", "--exit-on-error", f"--dbname={draft}", str(dump))
        yield swap


def _swap_media(media: Path) -> None:
    present = Path(settings.MEDIA_ROOT)
    if present.exists():
        shutil.rmtree(present)
    if media.exists():
        present.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(media, present)


def _put_secrets_back(secrets: Path) -> list[str]:
    """Write the secrets where they are kept in files; where the environment has others, say so."""
    todo = []
    for variable, name in (("SECRET_KEY", "secret_key"), ("RAPPORT_KEY", "rapport_key")):
        value = (secrets / name).read_text().strip()
        if os.environ.get(variable, value) != value:
            kept = var_dir() / "secrets" / f"{name}.restored"
            todo.append(f"{variable} of the environment is not the backup's: set it to what {kept} says.")
        else:
            kept = var_dir() / "secrets" / name
        kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(kept, value + "\n")
    return todo


def _forget_queues(url: str) -> None:
    """Drop what Redis knows of the other database; what is due stands in PostgreSQL."""
    client = redis.Redis.from_url(url)
    for key in client.scan_iter(match="rapport*", count=1000):
        client.delete(key)


def _run(name: str, url: str, *arguments: str) -> None:
    """Run a program of PostgreSQL; the password goes by the environment, where nobody else sees it."""
    given = parse_dsn(url)
    names = {
        "host": "PGHOST",
        "port": "PGPORT",
        "user": "PGUSER",
        "password": "PGPASSWORD",
        "dbname": "PGDATABASE",
    }
    env = {**os.environ, "LC_ALL": "C", **{names[key]: value for key, value in given.items() if key in names}}
    done = subprocess.run(
        [str(postgres.program(name)), *arguments], env=env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise StartError(f"{name} failed: {done.stderr.strip().splitlines()[-1]}")
