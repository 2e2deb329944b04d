"""What a trait is. Each is declared once: column, SQL, rule field, API field, page and documentation follow.

Terms of the descriptions: an interaction counts when it is inbound and not deleted, of the kinds message,
comment, mention, review or call; visits and survey answers are counted by themselves. A touch is an
interaction, a visit or an order, but habits of time are those of words and orders. A window of d days holds
the local days of the workspace in (today - d, today], as events in rules and dashboards do, so that figures
of one day agree everywhere; hours and weekdays are those of the customer's own zone. Counts and money are 0
when there is nothing, shares and means NULL when their base is 0.

`sql` is one expression over the rows of `source` (`personas/traits/sources.py`): an aggregate, or for the
source "customer" a plain expression. "{30}" in it stands for the condition that a row lies within the last 30
days. Sums are of numeric values, so that the order of rows never shows in a result.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from django.db import models

TraitType = Literal["count", "share", "mean", "money", "time", "text", "year", "hour", "weekday"]
WINDOW = re.compile(r"\{(\d+)\}")
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
AGE_BANDS = ("under 18", "18-24", "25-34", "35-44", "45-54", "55-64", "65 or older")
REASONS = ("question", "complaint", "praise", "order")


@dataclass(frozen=True)
class Trait:
    """One computed fact. `unit` is what stands beside the figure, '' for none; `length` is that of a text.

    `rule` names the rule field that asks for it where that is not its own (the fields of the record are asked
    live), `phrase` says it in a rule's sentence, `values` are all that a text can be.
    """

    name: str
    type: TraitType
    label: str
    description: str
    group: str
    source: str
    sql: str
    unit: str = ""
    phrase: str = ""
    length: int = 30
    values: tuple[str, ...] = ()
    rule: str = ""

    @property
    def windows(self) -> tuple[int, ...]:
        """Days after which a row leaves a window of this trait."""
        return tuple(sorted({int(days) for days in WINDOW.findall(self.sql)}))

    @property
    def is_zero_when_empty(self) -> bool:
        """Whether nothing to count is 0 and not unknown."""
        return self.type in ("count", "money")

    @property
    def rule_field(self) -> str:
        """The name by which rules ask for it."""
        return self.rule or f"traits.{self.name}"

    def field(self) -> models.Field[Any, Any]:
        """The column of `personas.Traits` that holds it."""
        match self.type:
            case "count":
                return models.IntegerField(default=0)
            case "share" | "mean":
                return models.FloatField(null=True)
            case "money":
                return models.DecimalField(max_digits=14, decimal_places=2, default=0)
            case "time":
                return models.DateTimeField(null=True)
            case "year" | "hour" | "weekday":
                return models.PositiveSmallIntegerField(null=True)
            case "text":
                return models.CharField(max_length=self.length, null=True)
