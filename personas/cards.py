"""Persona cards: who they are, what they want, where and when to reach them, what sets them apart.

Everything here is measured and says its base. What people wrote on a persona is never touched.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from math import log
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection

from core.sql import rows
from personas.models import Persona
from personas.traits.catalogue import CATALOGUE, Trait

YEAR, QUARTER, WEEKS_12, MONTH = 365, 90, 84, 30
# A map of hours over fewer touches shows noise; the whole history is taken instead.
LEAST_TOUCHES = 200
TOP = 5
HEAT = 5
QUOTES = 2
# Differences are told in standard deviations of everybody; a fifth of one is the usual bound of "small".
LEAST_EFFECT = 0.2
Row = dict[str, Any]
Grouped = Mapping[int, Sequence[Row]]


def refresh_cards(*, today: date, zone: str, now: datetime, everything: bool) -> dict[str, int]:
    """Write the cards that differ; only missing ones unless `everything` may have changed."""
    personas = list(Persona.objects.filter(is_active=True).order_by("rank", "id"))
    if not personas or not (everything or any(persona.card_at is None for persona in personas)):
        return {"personas": len(personas), "written": 0}
    gathered = _Gathered(today, zone)
    written = 0
    for persona in personas:
        written += _write(persona, gathered, now)
    return {"personas": len(personas), "written": written}


def _write(persona: Persona, gathered: _Gathered, now: datetime) -> bool:
    numbers, everybody = gathered.numbers.get(persona.pk), gathered.everybody
    members = int(numbers["customers"]) if numbers else 0
    before = (persona.members, persona.share, persona.fit, persona.border_share, persona.card)
    persona.members = members
    persona.share = members / everybody["customers"] if everybody else 0.0
    persona.fit = _rounded(numbers["fit"], 3) if numbers else None
    persona.border_share = _rounded(numbers["border_share"], 3) if numbers else None
    persona.card = gathered.card(persona.pk) if numbers else {}
    after = (persona.members, persona.share, persona.fit, persona.border_share, persona.card)
    if before == after and persona.card_at is not None:
        return False
    persona.card_at = now
    persona.save(update_fields=["members", "share", "fit", "border_share", "card", "card_at"])
    return True


class _Gathered:
    """What all cards are made of, read by a dozen statements over all personas."""

    def __init__(self, today: date, zone: str) -> None:
        self.today, self.zone = today, zone
        numbers = rows("personas", "card_numbers", {"today": today, "zone": zone})
        self.numbers = {row["persona_id"]: row for row in numbers if row["persona_id"] is not None}
        self.everybody: Row = next((row for row in numbers if row["persona_id"] is None), {})
        self.people = _by_persona(rows("personas", "card_people", {}))
        self.topics = self._lately(YEAR, "card_topics")
        self.quotes = self._lately(YEAR, "card_quotes")
        self.answers = self._lately(YEAR, "card_answers")
        self.changes = _by_persona(
            rows("personas", "card_changes", {"since": self._start(WEEKS_12), "late": self._start(MONTH)})
        )
        self.networks, self.network_days = self._networks()
        self.hours, self.hour_days = self._hours()
        self.names = dict(Persona.objects.values_list("id", "name"))
        self.means = _trait_means()

    def card(self, persona_id: int) -> Row:
        """Everything that one card shows, in JSON."""
        return {
            "base": self._base(persona_id),
            "who": self._who(persona_id),
            "topics": self._topics(persona_id),
            "quotes": quotes(self.quotes.get(persona_id, ())),
            "networks": self._network_shares(persona_id),
            "answers": self._answer_rates(persona_id),
            "hours": self._heat(persona_id),
            "value": self._value(persona_id),
            "apart": sets_apart(self.means.get(persona_id, {}), self.means.get(None, {})),
            "changed": self._changed(persona_id),
        }

    def _start(self, days: int) -> datetime:
        return datetime.combine(self.today - timedelta(days=days - 1), time.min, tzinfo=ZoneInfo(self.zone))

    def _lately(self, days: int, name: str) -> Grouped:
        return _by_persona(rows("personas", name, {"since": self._start(days), "zone": self.zone}))

    def _networks(self) -> tuple[Grouped, int]:
        """By network in 90 days, or in the whole history where those are few; and the days taken."""

        def read(days: int) -> list[Row]:
            since = self.today - timedelta(days=days)
            return rows("personas", "card_networks", {"since_day": since, "today": self.today})

        return self._enough(read, QUARTER)

    def _hours(self) -> tuple[Grouped, int]:
        """By weekday and hour in 365 days, or in the whole history where those are few."""

        def read(days: int) -> list[Row]:
            return rows("personas", "card_hours", {"since": self._start(days), "zone": self.zone})

        return self._enough(read, YEAR)

    def _enough(self, read: Callable[[int], list[Row]], days: int) -> tuple[Grouped, int]:
        found = read(days)
        began = self.everybody.get("began")
        if began is not None and sum(row["n"] for row in found) < LEAST_TOUCHES:
            days = max(days, (self.today - began).days + 1)
            found = read(days)
        return _by_persona(found), days

    def _base(self, persona_id: int) -> Row:
        own, everybody = self.numbers[persona_id], self.everybody
        lately = bool(everybody["revenue_365"])
        revenue = "revenue_365" if lately else "revenue"
        return {
            "customers": own["customers"],
            "of": everybody["customers"],
            "speakers": own["speakers"],
            "buyers": own["buyers"],
            "revenue_share": _rounded(own[revenue] / everybody[revenue], 4) if everybody[revenue] else None,
            "revenue_days": YEAR if lately else None,
        }

    def _who(self, persona_id: int) -> Row:
        own = self.numbers[persona_id]
        shares: dict[str, list[Row]] = {}
        for what in ("country", "language", "job", "stage"):
            found = [row for row in self.people.get(persona_id, ()) if row["what"] == what]
            base = sum(row["customers"] for row in found)
            shares[what] = [
                {"value": row["value"], "share": _rounded(row["customers"] / base, 4), "base": base}
                for row in found[:3]
            ]
        return {
            **shares,
            "age_from": _rounded(own["age_from"], 0),
            "age_to": _rounded(own["age_to"], 0),
            "age_known_share": _rounded(own["ages_known"] / own["customers"], 4),
            "months_with_us": _rounded(own["months_with_us"], 1),
        }

    def _topics(self, persona_id: int) -> list[Row]:
        found = list(self.topics.get(persona_id, ()))[:TOP]
        return [
            {"topic": row["topic"], "share": _rounded(row["n"] / row["base"], 4), "base": row["base"]}
            for row in found
        ]

    def _network_shares(self, persona_id: int) -> Row:
        found = list(self.networks.get(persona_id, ()))
        base = sum(int(row["n"]) for row in found)
        shares = [
            {"network": row["network"], "share": _rounded(int(row["n"]) / base, 4), "n": int(row["n"])}
            for row in found
        ]
        return {"shares": shares, "base": base, "days": self.network_days}

    def _answer_rates(self, persona_id: int) -> list[Row]:
        """Where they answer us, the best first; a rate over fewer than 20 messages is left out."""
        found = [
            {
                "network": row["network"],
                "rate": _rounded(row["answered"] / row["sent"], 4),
                "base": row["sent"],
            }
            for row in self.answers.get(persona_id, ())
            if row["sent"] >= 20
        ]
        return sorted(found, key=lambda row: (-row["rate"], row["network"]))

    def _heat(self, persona_id: int) -> Row:
        """Touches by weekday (Monday first) and hour: counts, steps of 0 to 5, and the best two hours."""
        counts = [[0] * 24 for _day in range(7)]
        for row in self.hours.get(persona_id, ()):
            counts[row["weekday"] - 1][row["hour"]] = row["n"]
        most = max(max(day) for day in counts)
        steps = [[-(-HEAT * n // most) if most else 0 for n in day] for day in counts]
        return {
            "counts": counts,
            "steps": steps,
            "best": best_hours(counts),
            "base": sum(sum(day) for day in counts),
            "days": self.hour_days,
        }

    def _value(self, persona_id: int) -> Row:
        """Figures beside those of everybody: {name: {here, all, base}}."""
        own, everybody = self.numbers[persona_id], self.everybody
        bases = {
            "value_365": "valued",
            "active": "valued",
            "gap_days": "gaps_known",
            "average_order": "buyers",
        }
        digits = {"value_365": 2, "active": 3, "gap_days": 1, "average_order": 2, "sentiment": 3}
        return {
            name: {
                "here": _rounded(own[name], places),
                "all": _rounded(everybody[name], places),
                "base": own[bases.get(name, "speakers")],
            }
            for name, places in digits.items()
        }

    def _changed(self, persona_id: int) -> Row:
        """Members twelve weeks ago, and from and to whom they moved in the last 30 days."""
        found = self.changes.get(persona_id, ())
        came, gone = (sum(int(row[way]) for row in found) for way in ("came", "gone"))

        def moves(way: str, new: str) -> list[Row]:
            told = [
                {"persona": row["other_id"], "name": self.names.get(row["other_id"], new), "n": int(row[way])}
                for row in found
                if row[way]
            ]
            return sorted(told, key=lambda row: (-row["n"], row["persona"] or 0))[:3]

        return {
            "members_before": int(self.numbers[persona_id]["customers"]) - came + gone,
            "came": moves("came_late", "new customers"),
            "left": moves("gone_late", "no persona"),
            "weeks": WEEKS_12 // 7,
            "days": MONTH,
        }


def best_hours(counts: Sequence[Sequence[int]]) -> list[Row]:
    """The two fullest hours of the week, as weekday (1 is Monday), hour and touches."""
    cells = [(-n, day + 1, hour) for day, row in enumerate(counts) for hour, n in enumerate(row) if n]
    return [{"weekday": day, "hour": hour, "n": -n} for n, day, hour in sorted(cells)[:2]]


def sets_apart(own: Mapping[str, Row], everybody: Mapping[str, Row], most: int = TOP) -> list[Row]:
    """The traits in which a persona differs most from everybody, as times their mean."""
    found = []
    for trait in CATALOGUE:
        if not _comparable(trait) or trait.name not in own or not everybody.get(trait.name):
            continue
        here, there = own[trait.name]["mean"], everybody[trait.name]["mean"]
        spread = everybody[trait.name]["spread"]
        if here is None or not there or not spread or here < 0 or there < 0:
            continue
        effect = (here - there) / spread
        if abs(effect) >= LEAST_EFFECT:
            told = {"trait": trait.name, "label": trait.label, "type": trait.type, "unit": trait.unit}
            times = here / there
            found.append(
                {
                    **told,
                    "times": _rounded(times, 2),
                    "here": _rounded(here, 4),
                    "all": _rounded(there, 4),
                    "effect": _rounded(effect, 2),
                    "log": _rounded(log(times), 3) if times > 0 else None,
                    "base": own[trait.name]["base"],
                }
            )
    return sorted(found, key=lambda row: (-abs(row["effect"]), row["trait"]))[:most]


def _comparable(trait: Trait) -> bool:
    return trait.type in ("count", "share", "mean", "money") and not trait.name.startswith("sentiment")


def _trait_means() -> dict[int | None, dict[str, Row]]:
    """Mean, spread and base of every trait of numbers, for each persona and (None) for everybody."""
    names = [trait.name for trait in CATALOGUE if _comparable(trait)]
    columns = ", ".join(f"avg({name})::float8, stddev_pop({name})::float8, count({name})" for name in names)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT m.persona_id, {columns} FROM personas_personamembership m "  # noqa: S608 (catalogue)
            "JOIN personas_traits t ON t.customer_id = m.customer_id "
            "GROUP BY GROUPING SETS ((m.persona_id), ())"
        )
        found = cursor.fetchall()
    return {
        row[0]: {
            name: {"mean": row[1 + 3 * at], "spread": row[2 + 3 * at], "base": row[3 + 3 * at]}
            for at, name in enumerate(names)
        }
        for row in found
    }


# In their own words

_HANDLE = re.compile(r"(?<![\w@])@[\w.]+")
_ADDRESS = re.compile(r"\b[\w.+-]+@[\w-]+\.[\w.-]+\b")
_LINK = re.compile(r"\bhttps?://\S+|\bwww\.\S+")
_NUMBER = re.compile(r"[+#]?\d[\d\s().\-/]{4,}\d|#?\b[A-Z]*\d{4,}\w*\b")
_SIGNED = re.compile(
    r"(?:^|[\n,.!?])\s*(?i:(?:best|kind|warm|many)?\s*(?:regards|wishes|thanks|thank you|cheers|best|yours))"
    r"[,!.]?\s+[A-ZÀ-Þ]\S+(?:\s+[A-ZÀ-Þ]\S+)?\s*$"
)
_CALLED = re.compile(
    r"\b((?i:my name is|this is|i am|i'm|dear|hi|hello|hey))\s+([A-ZÀ-Þ][\w'’-]+(?:\s+[A-ZÀ-Þ][\w'’-]+)?)"
)
_REPLACED: Sequence[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]] = (
    (_LINK, "…"),
    (_ADDRESS, "…"),
    (_HANDLE, "…"),
    (_NUMBER, "…"),
    (_SIGNED, ""),
    (_CALLED, lambda found: f"{found[1]} …"),
)


def without_names(text: str, name: str = "") -> str:
    """A text without what tells who wrote it: their name, handles, addresses, links and long numbers."""
    for part in sorted(re.split(r"[\s,]+", name), key=len, reverse=True):
        if len(part) > 1:
            text = re.sub(rf"(?<!\w){re.escape(part)}(?!\w)", "…", text, flags=re.IGNORECASE)
    for pattern, by in _REPLACED:
        text = pattern.sub(by, text)
    text = re.sub(r"…(?:[\s,]*…)+", "…", text)
    return re.sub(r"\s+", " ", text).strip()


def quotes(found: Sequence[Row], most: int = QUOTES) -> list[Row]:
    """The strongest voices, the unhappiest and the happiest by turns, each of another customer."""
    chosen: list[Row] = []
    for row in (row for pair in _turns(found) for row in pair):
        if row["customer_id"] in [one["customer_id"] for one in chosen]:
            continue
        text = without_names(row["text"], row["name"])
        if len(text) < 30 or text.count("…") > 2 or text in [one["text"] for one in chosen]:
            continue
        chosen.append({**row, "text": text})
        if len(chosen) == most:
            break
    return [
        {
            "text": row["text"],
            "network": row["network"],
            "kind": row["kind"],
            "rating": row["rating"],
            "mood": "positive" if row["sentiment"] > 0 else "negative",
        }
        for row in chosen
    ]


def _turns(found: Sequence[Row]) -> Sequence[Sequence[Row]]:
    bad = [row for row in found if row["sentiment"] < 0]
    good = [row for row in found if row["sentiment"] > 0]
    longest = max(len(bad), len(good))
    return [(*bad[at : at + 1], *good[at : at + 1]) for at in range(longest)]


def _by_persona(found: Sequence[Row]) -> Grouped:
    grouped: dict[int, list[Row]] = defaultdict(list)
    for row in found:
        grouped[row["persona_id"]].append(row)
    return grouped


def _rounded(value: Any, digits: int) -> float | None:
    return None if value is None else round(float(value), digits)
