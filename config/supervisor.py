"""Keeps a set of programs running and ends them in order."""

from __future__ import annotations

import subprocess
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGQUIT, SIGTERM, Signals

from config import processes

DEATHS = 5
DEATHS_SECONDS = 60.0
RESTART_SECONDS = 1.0
PATIENCE_SECONDS = 10.0
WORKER_STEPS = ((SIGTERM, PATIENCE_SECONDS), (SIGQUIT, 5.0))


class GaveUpError(Exception):
    """A program died too often; the message holds its last lines."""


@dataclass
class Program:
    """One program: how it is started, where its log is, how it is asked to end.

    `head_start` is the seconds that it leaves to others when all start at once.
    """

    name: str
    argv: list[str]
    log: Path
    env: Mapping[str, str]
    once: bool = False
    head_start: float = 0.0
    steps: tuple[tuple[Signals, float], ...] = ((SIGTERM, PATIENCE_SECONDS),)
    process: subprocess.Popen[bytes] | None = None
    start_at: float = 0.0
    ended: bool = False
    deaths: deque[float] = field(default_factory=lambda: deque(maxlen=DEATHS))

    def start(self) -> None:
        """Start it."""
        self.process = processes.start(self.argv, log=self.log, env=self.env)

    def end(self) -> None:
        """End it and everything that it started."""
        if self.process:
            processes.end(self.process, *self.steps)
            self.process = None


class Supervisor:
    """Starts programs in the order given, starts again what died, and ends them last to first."""

    def __init__(self, programs: list[Program]) -> None:
        self.programs = programs

    def start(self) -> None:
        """Start every program, the first ones now and the others when they have had a little time."""
        for program in self.programs:
            if program.head_start:
                program.start_at = time.monotonic() + program.head_start
            else:
                program.start()

    def hurry(self) -> None:
        """Start what still waits."""
        for program in self.programs:
            program.start_at = min(program.start_at, time.monotonic())

    def tend(self) -> None:
        """Look after every program once."""
        for program in self.programs:
            processes.shorten_log(program.log)
            self._tend(program)
        processes.reap_orphans(p.process.pid for p in self.programs if p.process)

    def _tend(self, program: Program) -> None:
        now = time.monotonic()
        if program.process is None:
            if not program.ended and now >= program.start_at:
                program.start()
            return
        code = program.process.poll()
        if code is None:
            return
        processes.kill_group(program.process)
        program.process = None
        if program.once:
            program.ended = True
            _tell_end(program, code)
            return
        program.deaths.append(now)
        if len(program.deaths) == DEATHS and now - program.deaths[0] < DEATHS_SECONDS:
            raise GaveUpError(
                f"{program.name} died {DEATHS} times in a minute, the last lines of {program.log}:\n"
                f"{processes.last_lines(program.log)}"
            )
        program.start_at = now + RESTART_SECONDS
        print(f"{program.name} ended ({_in_words(code)}) and is started again, see {program.log}", flush=True)

    def end(self) -> None:
        """End all, the last started first."""
        for program in reversed(self.programs):
            program.end()

    def kill(self) -> None:
        """End all without giving them time."""
        for program in self.programs:
            if program.process and program.process.poll() is None:
                program.process.kill()


def _tell_end(program: Program, code: int) -> None:
    if code:
        print(
            f"{program.name} failed ({_in_words(code)}), the last lines of {program.log}:\n"
            f"{processes.last_lines(program.log, 5)}",
            flush=True,
        )


def _in_words(code: int) -> str:
    return f"signal {Signals(-code).name}" if code < 0 else f"exit code {code}"
