"""Brings database and static files to this version of the code."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import psycopg2
from django.conf import settings
from django.db.migrations.loader import MigrationLoader

from config import processes
from config.places import BASE_DIR, var_dir
from config.processes import StartError


def prepare(env: Mapping[str, str]) -> None:
    """Migrate, and gather static files under hashed names unless these were gathered already."""
    whole = {**os.environ, **env}
    begun = {}
    if not _is_migrated(whole["DATABASE_URL"]):
        begun["migrate"] = _manage("migrate", "--noinput", "--skip-checks", env=whole)
    if not settings.DEBUG and not _is_collected():
        _stamp().unlink(missing_ok=True)
        begun["collectstatic"] = _manage(
            "collectstatic", "--noinput", "--clear", env={**whole, "COLLECTING_STATIC": "1"}
        )
    for name, process in begun.items():
        if process.wait():
            raise StartError(
                f"{name} failed, the end of {_log(name)}:\n{processes.last_lines(_log(name), 5)}"
            )
    if "collectstatic" in begun:
        _stamp().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _stamp().write_text(_digest())


def _is_migrated(url: str) -> bool:
    """Tell whether the database knows every migration, which is quicker than to run `migrate`."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        try:
            cursor.execute("SELECT app, name FROM django_migrations")
        except psycopg2.errors.UndefinedTable:
            return False
        return set(MigrationLoader(None).disk_migrations) <= set(cursor.fetchall())


def _manage(command: str, *arguments: str, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    argv = [sys.executable, str(BASE_DIR / "manage.py"), command, *arguments]
    return processes.start(argv, log=_log(command), env=env)


def _log(name: str) -> Path:
    return var_dir() / "log" / f"{name}.log"


def _stamp() -> Path:
    return var_dir() / "run" / "static"


def _is_collected() -> bool:
    there = (settings.STATIC_ROOT / "staticfiles.json").exists()
    return there and _stamp().exists() and _stamp().read_text() == _digest()


def _digest() -> str:
    """Return a hash that changes with our own files, the libraries and the browser libraries."""
    whole = hashlib.sha256()
    for name in ("requirements.txt", "package-lock.json", "config/staticfiles.py"):
        whole.update((BASE_DIR / name).read_bytes())
    for path in sorted((BASE_DIR / "static").rglob("*")):
        if path.is_file():
            whole.update(f"{path}{path.stat().st_size}{path.stat().st_mtime_ns}".encode())
    return whole.hexdigest()
