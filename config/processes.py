"""Starting, watching and ending programs so that none outlives us."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import psutil

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
LOG_LIMIT = 20 * 1024 * 1024


class StartError(Exception):
    """Something that keeps Rapport from starting, in one line that says what to do."""


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def adopt_orphans() -> None:
    """Become the parent of what our children leave behind, so that we can end it too."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def _dies_with_parent(death: signal.Signals, parent: int) -> Callable[[], None]:
    def before_exec() -> None:
        _prctl(PR_SET_PDEATHSIG, death)
        if os.getppid() != parent:
            os._exit(1)

    return before_exec


def start(
    argv: list[str],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    death: signal.Signals = signal.SIGTERM,
    **options: Any,
) -> subprocess.Popen[bytes]:
    """Start a program in a process group of its own; it is sent `death` when we are gone.

    It must be called from the main thread: Linux counts the death of the starting thread.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(env) if env is not None else None,
            start_new_session=True,
            preexec_fn=_dies_with_parent(death, os.getpid()),  # noqa: PLW1509
            **options,
        )


def end(process: subprocess.Popen[bytes], *steps: tuple[signal.Signals, float]) -> None:
    """Send one signal after the other, each with the seconds to wait, then kill the whole group."""
    for number, seconds in steps:
        if process.poll() is not None:
            break
        with contextlib.suppress(ProcessLookupError, PermissionError):
            process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
    kill_group(process)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the process's group, grandchildren included."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def kill_descendants() -> None:
    """Kill every process below this one, also those that made a session of their own."""
    left = psutil.Process().children(recursive=True)
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, timeout=5)


def reap_orphans(own: Iterable[int]) -> None:
    """Collect dead processes that were handed to us; those in `own` are waited for elsewhere."""
    known = set(own)
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess, ChildProcessError):
            if child.pid not in known and child.status() == psutil.STATUS_ZOMBIE:
                os.waitpid(child.pid, os.WNOHANG)


def last_lines(log: Path, count: int = 15) -> str:
    """Return the end of a log."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 64 * 1024))
            lines = file.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    return "\n".join(lines[-count:])


def shorten_log(log: Path) -> None:
    """Keep a log that grew past its limit as `<name>.1` and go on in an empty one.

    Programs append to an open file, which is why it is emptied and not renamed.
    """
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        with log.open("r+b") as file:
            log.with_suffix(".log.1").write_bytes(file.read())
            file.truncate(0)
