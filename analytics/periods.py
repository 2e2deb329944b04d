"""The days a dashboard speaks of, and the days before that it compares them with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

CHOICES: tuple[tuple[int, str], ...] = ((7, "7 days"), (28, "28 days"), (91, "Quarter"), (364, "Year"))
DEFAULT = 28


@dataclass(frozen=True)
class Period:
    """`days` local days that end with `last`, that day included."""

    last: date
    days: int

    @property
    def first(self) -> date:
        return self.last - timedelta(days=self.days - 1)

    @property
    def before(self) -> Period:
        """As many days, just before."""
        return Period(self.first - timedelta(days=1), self.days)

    def each(self) -> list[date]:
        """Every day, oldest first."""
        return [self.first + timedelta(days=n) for n in range(self.days)]
