"""`manage.py up`: everything starts, what dies comes back, and nothing is left."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys

import psutil

from tests.config.conftest import BASE_DIR, wait_until

WORKSPACE = "from core.models import Workspace; w = Workspace.current();"


def test_everything_from_the_first_start_to_the_end(installation):
    """One long test, because each start takes seconds."""
    installation.up()
    _what_dies_comes_back(installation)
    _a_second_start_is_refused(installation)
    _remember(installation, "Before")
    saved = installation.manage("backup")
    assert saved.returncode == 0, saved.stderr
    (backup,) = (installation.var / "backups").glob("*.tar")
    _remember(installation, "After")
    assert "already runs" in _refused(installation.manage("restore", str(backup)))
    _nothing_is_left_after_ctrl_c(installation)

    restored = installation.manage("restore", str(backup))
    assert restored.returncode == 0, restored.stderr
    upgraded = installation.manage("upgrade")
    assert upgraded.returncode == 0, upgraded.stderr
    assert len(list((installation.var / "backups").glob("*.tar"))) == 2

    installation.up()
    assert _remembered(installation) == "Before"
    _all_ends_when_the_supervisor_is_killed(installation)


def _what_dies_comes_back(installation):
    kept = ("config.wsgi", "config.asgi", "-n worker@", "-n channels@", "-n nightly@", "manage.py watch",
            "celery -A config beat")  # fmt: skip
    for words in kept:
        wait_until(lambda words=words: installation.find(words) is not None, seconds=20)
    dead = {words: installation.find(words) for words in kept}
    for process in dead.values():
        process.kill()
    for words, killed in dead.items():
        wait_until(
            lambda words=words, killed=killed: _is_another(installation.find(words), killed), seconds=40
        )
    wait_until(installation.healthy, seconds=30)


def _is_another(process, earlier):
    return process is not None and process.pid != earlier.pid


def _a_second_start_is_refused(installation):
    assert "already runs" in _refused(installation.manage("up"))


def _nothing_is_left_after_ctrl_c(installation):
    started = installation.processes()
    assert len(started) > 10

    code, output = installation.end(signal.SIGINT)

    assert code == 0
    assert "/first/" in output
    assert [process for process in started if process.is_running()] == []


def _all_ends_when_the_supervisor_is_killed(installation):
    started = installation.processes()

    installation.running.kill()
    installation.running.wait()

    _gone, alive = psutil.wait_procs(started, timeout=30)
    assert alive == []
    installation.running = None


def _remember(installation, name):
    done = installation.manage("shell", "-c", f"{WORKSPACE} w.name = {name!r}; w.save()")
    assert done.returncode == 0, done.stderr


def _remembered(installation):
    done = installation.manage("shell", "-v", "0", "-c", f"{WORKSPACE} print(w.name)")
    return done.stdout.strip()


def test_secrets_are_made_and_readable_by_their_owner_only(installation):
    assert installation.manage("check").returncode == 0

    secrets = installation.var / "secrets"
    assert {path.name for path in secrets.iterdir()} == {"secret_key", "rapport_key"}
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in secrets.iterdir())
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700


def _refused(done) -> str:
    """Return the one line of an error."""
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    return done.stderr


def test_a_taken_port_is_said_in_one_line(installation):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", installation.port))
        taken.listen()

        assert f"port {installation.port} is taken" in _refused(installation.manage("up"))


def test_an_unreachable_database_is_said_in_one_line(installation):
    done = installation.manage("up", DATABASE_URL="postgres://nobody@127.0.0.1:1/none")

    assert "DATABASE_URL is unreachable" in _refused(done)


def test_an_unreachable_redis_is_said_in_one_line(installation):
    done = installation.manage("up", REDIS_URL="redis://127.0.0.1:1/0")

    assert "REDIS_URL is unreachable" in _refused(done)


def test_a_var_that_cannot_be_written_is_said_in_one_line(installation):
    installation.var.write_text("a file where the folder should be")

    assert "is not writable" in _refused(installation.manage("up"))


def test_a_command_without_running_servers_says_what_to_do(installation):
    assert "make run" in _refused(installation.manage("showmigrations"))


def test_a_bad_value_stops_the_start_and_names_the_variable(installation):
    assert "WEB_THREADS" in _refused(installation.manage("check", WEB_THREADS="many"))
    assert "PUBLIC_URL" in _refused(installation.manage("check", PUBLIC_URL="crm.example.com"))
    assert "RAPPORT_KEY" in _refused(installation.manage("check", RAPPORT_KEY="short"))
    assert "LOG_LEVEL" in _refused(installation.manage("check", LOG_LEVEL="LOUD"))


def test_too_old_python_is_told_so(tmp_path):
    source = (BASE_DIR / "config" / "bootstrap.py").read_text()
    copy = tmp_path / "config" / "bootstrap.py"
    copy.parent.mkdir()
    copy.write_text(source.replace("LEAST = (3, 11)", "LEAST = (9, 0)"))

    done = _run(copy)

    assert "Rapport needs Python 9.0 or newer" in _refused(done)


def test_a_python_without_venv_is_told_so(tmp_path):
    (tmp_path / "config").mkdir()
    shutil.copy(BASE_DIR / "config" / "bootstrap.py", tmp_path / "config")
    (tmp_path / "config" / "ensurepip.py").write_text("raise ImportError")

    assert "has no venv module" in _refused(_run(tmp_path / "config" / "bootstrap.py"))


def _run(script):
    env = {**os.environ, "PATH": "/nonexistent"}
    return subprocess.run(
        [sys.executable, str(script), "run"], capture_output=True, text=True, check=False, env=env
    )
