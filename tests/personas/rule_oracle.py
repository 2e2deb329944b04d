"""Who belongs to a rule, in plain Python over rows as the tables hold them. Imports nothing of the program.

`Tables` reads every table by SELECT *; what a field means is written down here once more, from the
documentation of the fields and not from their SQL.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

Row = dict[str, Any]
Rule = Mapping[str, Any]

COUNTS = (
    "inbound_30 inbound_90 inbound_365 public_90 private_90 questions_90 complaints_90 praise_90 visits_30"
    " outbound_90 contacted_30 started_90 active_days_365 orders_365 revenue_365 inbound_total networks"
    " surveys_answered recommendations referred reach orders_total revenue_total refunded_total categories"
    " consents identities tags"
).split()
"""Unknown is nothing: nobody has a number of orders that is not known."""
SHARES = (
    "office_share evening_share weekend_share morning_share payday_share festive_share public_share"
    " call_share review_share question_share complaint_share praise_share order_talk_share response_rate"
    " discount_share refund_share repeat_share"
).split()
"""Kept from 0 to 1, asked in percent."""
NUMBERS = (
    "sentiment_90 sentiment_trend usual_hour sentiment message_length response_hours survey_score"
    " last_survey_score average_order units_per_order unit_price products_per_order order_gap_days"
).split()
TIMES = "first_seen_at last_seen_at first_order_at last_order_at".split()
CHOICES = "usual_weekday top_network top_reason top_topic top_complaint top_media age_band".split()
OPPOSITE = {
    "neq": "eq",
    "is_not": "is",
    "not_contains": "contains",
    "none_of": "one_of",
    "not_in_last_days": "in_last_days",
    "has_none": "has_any",
    "not_in": "in",
    "unknown": "known",
}
TABLES = (
    "crm_customer personas_traits personas_prediction personas_personamembership personas_segmentmembership"
    " crm_customertag crm_consent crm_identity crm_affiliation crm_task engagement_conversation"
    " engagement_contactledger personas_customerday crm_customfield"
).split()


class Tables:
    """Rows of every table a rule can ask, grouped by customer."""

    def __init__(self, select: Callable[[str], list[Row]]) -> None:
        """`select` runs a statement and gives its rows by column name, JSON as text."""
        self.rows = {name: select(f"SELECT * FROM {name}") for name in TABLES}
        self.customers = {
            row["id"]: row for row in self.rows["crm_customer"] if row["merged_into_id"] is None
        }
        self.names = {row["id"]: row["name"] for row in self.rows["crm_customer"]}
        self.networks = {row["id"]: row["network"] for row in self.rows["crm_identity"]}
        self.own = {row["key"]: row["type"] for row in self.rows["crm_customfield"]}
        self.traits = self._one("personas_traits")
        self.predictions = self._one("personas_prediction")
        self.memberships = self._one("personas_personamembership")
        self.segments = self._many("personas_segmentmembership")
        self.tags = self._many("crm_customertag")
        self.consents = self._many("crm_consent")
        self.tasks = self._many("crm_task")
        self.talks = self._many("engagement_conversation")
        self.contacts = self._many("engagement_contactledger")
        self.days = self._many("personas_customerday")
        self.affiliations = self._many("crm_affiliation", "person_id")

    def _one(self, table: str) -> dict[int, Row]:
        return {row["customer_id"]: row for row in self.rows[table]}

    def _many(self, table: str, by: str = "customer_id") -> dict[int, list[Row]]:
        found: dict[int, list[Row]] = defaultdict(list)
        for row in self.rows[table]:
            found[row[by]].append(row)
        return found


class Oracle:
    """Answers for one day in one zone."""

    def __init__(self, tables: Tables, today: date, zone: ZoneInfo) -> None:
        self.tables, self.today, self.zone = tables, today, zone
        self.values: dict[tuple[str, int], Any] = {}

    def members(self, rule: Rule) -> set[int]:
        """Ids of the customers the rule holds for."""
        return {pk for pk in self.tables.customers if self.holds(rule, pk)}

    def holds(self, rule: Rule, pk: int) -> bool:
        """Whether a rule, or a part of it, holds for one customer."""
        if "all" in rule:
            return all(self.holds(child, pk) for child in rule["all"])
        if "any" in rule:
            return any(self.holds(child, pk) for child in rule["any"])
        if "not" in rule:
            return not self.holds(rule["not"], pk)
        if "event" in rule:
            return self._happened(rule, pk)
        return self._fits(rule["field"], rule["op"], rule.get("value"), pk)

    def _fits(self, name: str, op: str, value: Any, pk: int) -> bool:
        if op in OPPOSITE:
            return not self._fits(name, OPPOSITE[op], value, pk)
        if name in ("tag", "segment", "persona"):
            return self._belongs(name, op, value if isinstance(value, list) else [value], pk)
        if name == "consent":
            return self._answered(op, value, pk)
        kind, mine = self.value(name, pk)
        if op in ("yes", "no"):
            return mine is (op == "yes")
        if mine is None:
            return False
        if op == "known":
            return True
        return COMPARE[kind](op, value, mine, self.today)

    # Sets

    def _belongs(self, name: str, op: str, asked: list[int], pk: int) -> bool:
        if name == "tag":
            mine = {row["tag_id"] for row in self.tables.tags[pk]}
        elif name == "segment":
            mine = {row["segment_id"] for row in self.tables.segments[pk]}
        else:
            row = self.tables.memberships.get(pk)
            mine = {row["persona_id"]} if row else set()
        if op == "has_all":
            return all(one in mine for one in asked)
        return any(one in mine for one in asked)

    def _answered(self, op: str, about: Mapping[str, Any], pk: int) -> bool:
        found = [
            row
            for row in self.tables.consents[pk]
            if row["purpose"] == about["purpose"]
            and (
                about.get("network") is None
                or row["whole_person"]
                or self.tables.networks[row["identity_id"]] == about["network"]
            )
        ]
        # At the same moment one of the whole person counts first, then a refusal, then the later row.
        found.sort(key=lambda row: (row["at"], row["whole_person"], not row["given"], row["id"]))
        if op == "never_asked":
            return not found
        return bool(found) and found[-1]["given"] is (op == "given")

    # Events

    def _happened(self, rule: Rule, pk: int) -> bool:
        event, days = rule["event"], rule.get("days")
        first = None if days is None else self.today - timedelta(days=days)
        total = 0
        for day, n, about in self._occurrences(event["what"], pk):
            if first is not None and not first <= day <= self.today:
                continue
            if all(
                about[name] in (wanted if isinstance(wanted, list) else [wanted])
                for name, wanted in event.items()
                if name != "what"
            ):
                total += n
        count = rule["count"]
        return {"at_least": total >= count, "at_most": total <= count, "exactly": total == count}[rule["op"]]

    def _occurrences(self, what: str, pk: int) -> list[tuple[date, int, Row]]:
        if what == "contact":
            return [(self._local(row["at"]), 1, row) for row in self.tables.contacts[pk]]
        rows = self.tables.days[pk]
        if what in ("order", "visit"):
            return [(row["day"], row["n"], row) for row in rows if row["kind"] == what]
        said = [row for row in rows if row["kind"] not in ("order", "visit")]
        if what == "interaction":
            return [(row["day"], row["n"], row) for row in said]
        if what == "written":
            return [(row["day"], row["n"], row) for row in said if row["direction"] == "outbound"]
        return [(row["day"], row[f"{what}_n"], row) for row in rows]

    # Values

    def value(self, name: str, pk: int) -> tuple[str, Any]:
        """What a field is of one customer, and how it is compared; None is unknown."""
        key = (name, pk)
        if key not in self.values:
            self.values[key] = self._value(name, pk)
        return self.values[key]

    def _value(self, name: str, pk: int) -> tuple[str, Any]:
        group, _dot, own = name.partition(".")
        kind, value = {
            "customer": self._of_customer,
            "traits": self._of_traits,
            "prediction": self._of_prediction,
            "persona": self._of_persona,
            "custom": self._of_custom,
        }[group](own, pk)
        if kind in ("text", "choice") and value == "":
            return kind, None
        if isinstance(value, datetime):
            return kind, self._local(value)
        return kind, value

    def _local(self, at: datetime) -> date:
        return at.astimezone(self.zone).date()

    def _of_customer(self, name: str, pk: int) -> tuple[str, Any]:
        row = self.tables.customers[pk]
        if name in ("kind", "stage"):
            return "choice", row[name]
        if name == "owner":
            return "choice", row["owner_id"]
        if name == "interests":
            return "text", ", ".join(row["interests"])
        if name == "organization":
            found = [self.tables.names[one["organization_id"]] for one in self.tables.affiliations[pk]]
            return "text", ", ".join(sorted(found)) or None
        if name == "created_at":
            return "day", row["created_at"]
        flags: dict[str, Callable[[], bool]] = {
            "referred": lambda: row["referred_by_id"] is not None,
            "refused": lambda: bool(row["profiling_refused"]),
            "task": lambda: any(task["done_at"] is None for task in self.tables.tasks[pk]),
            "conversation": lambda: any(talk["status"] == "open" for talk in self.tables.talks[pk]),
        }
        return ("flag", flags[name]()) if name in flags else ("text", row[name])

    def _of_traits(self, name: str, pk: int) -> tuple[str, Any]:
        if name in ("birth_year", "language", "country"):
            return ("number" if name == "birth_year" else "text"), self.tables.customers[pk][name]
        row = self.tables.traits.get(pk, {})
        value = row.get(name)
        if name in COUNTS:
            return "number", value or 0
        if name in SHARES:
            return "number", None if value is None else 100 * value
        if name in TIMES:
            return "day", value
        if name in CHOICES:
            return "choice", value
        if name in NUMBERS:
            return "number", value
        assert name == "top_category", f"the oracle does not know the trait {name}"
        return "text", value

    def _of_prediction(self, name: str, pk: int) -> tuple[str, Any]:
        row = self.tables.predictions.get(pk, {})
        if name in ("active", "survey_probability"):
            value = row.get("active_probability" if name == "active" else name)
            return "number", None if value is None else 100 * value
        kinds = {"best_network": "choice", "next_category": "text"}
        return kinds.get(name, "number"), row.get(name)

    def _of_persona(self, name: str, pk: int) -> tuple[str, Any]:
        assert name == "confidence"
        row = self.tables.memberships.get(pk)
        return "number", None if row is None else 100 * row["confidence"]

    def _of_custom(self, name: str, pk: int) -> tuple[str, Any]:
        value, kind = json.loads(self.tables.customers[pk]["custom"]).get(name), self.tables.own[name]
        if kind in ("text", "url"):
            return "text", value
        if kind == "number":
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            return "number", Decimal(str(value)) if is_number else None
        if kind == "flag":
            return "flag", value if isinstance(value, bool) else None
        if kind == "date":
            return "day", _day_or_none(value)
        return "choice", value


def _day_or_none(value: Any) -> date | None:
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        return None


# Comparisons


def _number(op: str, value: Any, mine: Any, today: date) -> bool:
    if op == "between":
        return bool(_typed(value[0], mine) <= mine <= _typed(value[1], mine))
    typed = _typed(value, mine)
    return {
        "eq": mine == typed,
        "gt": mine > typed,
        "gte": mine >= typed,
        "lt": mine < typed,
        "lte": mine <= typed,
    }[op]


def _typed(value: float, mine: Any) -> Any:
    """What was typed, as exact as the column: a decimal beside a decimal, a float beside a float."""
    return float(value) if isinstance(mine, float) else Decimal(str(value))


def _text(op: str, value: Any, mine: str, today: date) -> bool:
    folded = mine.casefold()
    if op == "one_of":
        return folded in [one.casefold() for one in value]
    typed = value.casefold()
    return {"is": folded == typed, "contains": typed in folded, "starts_with": folded.startswith(typed)}[op]


def _choice(op: str, value: Any, mine: Any, today: date) -> bool:
    return mine == value if op == "is" else mine in value


def _day(op: str, value: Any, mine: date, today: date) -> bool:
    if op == "between":
        return date.fromisoformat(value[0]) <= mine <= date.fromisoformat(value[1])
    if op in ("before", "after"):
        typed = date.fromisoformat(value)
        return mine < typed if op == "before" else mine > typed
    ago = (today - mine).days
    return {
        "in_last_days": 0 <= ago <= value,
        "more_than_days_ago": ago > value,
        "in_next_days": 0 <= -ago <= value,
    }[op]


COMPARE: Mapping[str, Callable[[str, Any, Any, date], bool]] = {
    "number": _number,
    "text": _text,
    "choice": _choice,
    "day": _day,
}
