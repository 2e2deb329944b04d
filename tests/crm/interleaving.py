"""Two pieces of work at once, one of them begun in the middle of the other, on connections of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from django.db import connection

PATIENCE = 0.15
"""So long the first work waits for the second in its middle; where that waits for a lock, both go on."""


class Middle:
    """Counts the statements of a piece of work, and begins another before the one numbered `at`."""

    def __init__(self, at: int, other: threading.Thread) -> None:
        self.at, self.other, self.seen = at, other, 0

    def __call__(self, execute: Callable[..., Any], *args: Any) -> Any:
        if self.seen == self.at:
            self.other.start()
            self.other.join(PATIENCE)
        self.seen += 1
        return execute(*args)


def begin_in_the_middle(
    first: Callable[[], object], second: Callable[[], object], at: int
) -> list[BaseException]:
    """Run `first`, and `second` from before its statement `at`, or after its last; what failed."""
    failed: list[BaseException] = []
    other = threading.Thread(target=_alone, args=(second, failed))
    middle = Middle(at, other)

    def work() -> None:
        with connection.execute_wrapper(middle):
            first()

    running = threading.Thread(target=_alone, args=(work, failed))
    running.start()
    running.join(60)
    if not other.ident:
        other.start()
    other.join(60)
    assert not running.is_alive()
    assert not other.is_alive()
    return failed


def both_at_once(first: Callable[[], object], second: Callable[[], object]) -> list[BaseException]:
    """Run both from the same moment; what failed."""
    failed: list[BaseException] = []
    gate = threading.Barrier(2)

    def through(work: Callable[[], object]) -> None:
        gate.wait(10)
        work()

    threads = [
        threading.Thread(target=_alone, args=(lambda w=w: through(w), failed)) for w in (first, second)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    return failed


def _alone(work: Callable[[], object], failed: list[BaseException]) -> None:
    try:
        work()
    except BaseException as error:
        failed.append(error)
    finally:
        connection.close()
