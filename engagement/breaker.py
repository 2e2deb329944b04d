"""Leaves a platform alone that failed again and again, and lets one try through now and then.

Pulls and sends of an account are counted apart: a mailbox is read on one server and sends through another.
After `FAILURES` in a row the way is closed. When that time is over one worker tries (half-open), the others
go on waiting for what comes of it; a success opens the way again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F, Q
from django.utils import timezone

from engagement.models import ChannelAccount

FAILURES = 5
TRIAL = timedelta(seconds=60)
"""So long the others wait for who tries; should that worker die, somebody else tries then."""


@dataclass(frozen=True)
class Breaker:
    """One way to a platform: the columns that count and close it, and seconds closed, longer each time."""

    count: str
    until: str
    seconds: Sequence[int]

    def open(self, now: datetime, *, account: str = "") -> Q:
        """Accounts whose way is open, or to be tried; `account` is where they stand, such as "account__"."""
        name = f"{account}{self.until}"
        return Q(**{f"{name}__isnull": True}) | Q(**{f"{name}__lte": now})

    def may_try(self, account: ChannelAccount) -> bool:
        """Whether this worker may go; of several that find the time over only one may."""
        closed: datetime | None = getattr(account, self.until)
        if closed is None:
            return True
        now = timezone.now()
        if closed > now:
            return False
        row = ChannelAccount.objects.filter(pk=account.pk, **{self.until: closed})
        taken = bool(row.update(**{self.until: now + TRIAL}))
        if taken:
            setattr(account, self.until, now + TRIAL)
        return taken

    def fail(self, account_id: int) -> datetime | None:
        """One more in a row; until when the way is closed now, None for open."""
        row = ChannelAccount.objects.filter(pk=account_id)
        row.update(**{self.count: F(self.count) + 1})
        failures: int = row.values_list(self.count, flat=True).get()
        if failures < FAILURES:
            return None
        seconds = self.seconds[min(failures - FAILURES, len(self.seconds) - 1)]
        until = timezone.now() + timedelta(seconds=seconds)
        row.update(**{self.until: until})
        return until

    def succeed(self, account_id: int) -> bool:
        """The platform answered; whether it had not before."""
        troubled = ChannelAccount.objects.filter(pk=account_id).exclude(
            **{self.count: 0, f"{self.until}__isnull": True}
        )
        return bool(troubled.update(**{self.count: 0, self.until: None}))


PULLS = Breaker("failures", "closed_until", (300,))
SENDS = Breaker("send_failures", "send_closed_until", (30, 60, 120, 300))
