"""A hold on a row that ends by itself when its worker dies, and is renewed for as long as the work goes on.

The lease is short, so that what a killed worker left is taken up within a minute; a thread renews it, so that
a slow server does not look like a death. Only who still holds it can renew it: the time that was written is
compared with the one that stands there.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import DatabaseError, InterfaceError, connection
from django.db.models import QuerySet
from django.utils import timezone

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=30)
RENEW_SECONDS = 6.0
LONGEST_SECONDS = 300.0
"""After so long a lease is renewed no more: whoever hangs for ever does not hold it for ever."""


@dataclass
class Lease:
    """One row, the column that says until when it is held, and what we wrote there."""

    rows: QuerySet[Any]
    field: str
    until: datetime

    def renew(self) -> bool:
        """Hold it for a while longer; false where it is somebody else's or nobody's."""
        until = timezone.now() + LEASE
        held = bool(self.rows.filter(**{self.field: self.until}).update(**{self.field: until}))
        if held:
            self.until = until
        return held


@contextmanager
def kept(lease: Lease) -> Iterator[Lease]:
    """Renew a lease from a thread for this block; work that ends sooner costs no statement."""
    ended = threading.Event()
    thread = threading.Thread(target=_renew, args=(lease, ended), daemon=True, name=f"lease {lease.field}")
    thread.start()
    try:
        yield lease
    finally:
        ended.set()
        thread.join(2)


def _renew(lease: Lease, ended: threading.Event) -> None:
    turns = int(LONGEST_SECONDS / RENEW_SECONDS)
    try:
        for _turn in range(turns):
            if ended.wait(RENEW_SECONDS):
                return
            if not _renewed(lease):
                return
    finally:
        connection.close()


def _renewed(lease: Lease) -> bool:
    """A database that is away for a moment ends no lease: the next turn asks again."""
    try:
        return lease.renew()
    except (DatabaseError, InterfaceError) as error:
        log.warning("lease not renewed", field=lease.field, error=type(error).__name__)
        connection.close()
        return True
