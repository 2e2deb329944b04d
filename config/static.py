"""Gathering the static files once for each version of them."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from django.conf import settings

from config import processes
from config.places import BASE_DIR, var_dir


def collect_static(env: Mapping[str, str]) -> subprocess.Popen[bytes] | None:
    """Begin to gather static files under hashed names, unless this was done for exactly these files."""
    if settings.DEBUG or (
        settings.STATIC_COLLECTED and _stamp().exists() and _stamp().read_text() == _digest()
    ):
        return None
    _stamp().unlink(missing_ok=True)
    return processes.start(
        [sys.executable, str(BASE_DIR / "manage.py"), "collectstatic", "--noinput", "--clear"],
        log=var_dir() / "log" / "collectstatic.log",
        env={**env, "COLLECTING_STATIC": "1"},
    )


def remember_static() -> None:
    """Note which files were gathered."""
    _stamp().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _stamp().write_text(_digest())


def _stamp() -> Path:
    return var_dir() / "run" / "static"


def _digest() -> str:
    """Return a hash that changes with our own files, the libraries and the browser libraries."""
    whole = hashlib.sha256()
    for name in ("requirements.txt", "package-lock.json", "config/staticfiles.py"):
        whole.update((BASE_DIR / name).read_bytes())
    for path in sorted((BASE_DIR / "static").rglob("*")):
        if path.is_file():
            whole.update(f"{path}{path.stat().st_size}{path.stat().st_mtime_ns}".encode())
    return whole.hexdigest()
