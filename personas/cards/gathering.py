"""What all cards are made of, read by a fixed number of statements whatever the number of personas."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection, transaction

from core.sql import rows, run
from personas.cards.apart import trait_means, trait_words
from personas.cards.voices import names_in
from personas.models import Persona
from personas.traits.zones import zone_parameters

YEAR, QUARTER, WEEKS_12, MONTH = 365, 90, 84, 30
LEAST_TOUCHES = 200
"""What fewer interactions show is noise; the whole history is taken instead."""
DRAWN = 10_000
"""Members of a persona whose words and habits are read: a share is off by a hundredth at most."""
Row = dict[str, Any]
Grouped = Mapping[int | None, Sequence[Row]]
_WORKING = ("card_sample", "card_said", "card_turns")


class Gathered:
    """Rows by persona; under None those of everybody, where a part compares."""

    def __init__(self, today: date, zone: str, drawn: int = DRAWN) -> None:
        self.today, self.zone = today, zone
        numbers = rows("personas", "card_numbers", {"zone": zone})
        self.numbers = {row["persona_id"]: row for row in numbers if row["persona_id"] is not None}
        self.everybody: Row = next((row for row in numbers if row["persona_id"] is None), {})
        self.names = dict(Persona.objects.values_list("id", "name"))
        self.changes = _by_persona(
            rows("personas", "card_changes", {"since": self.start(WEEKS_12), "late": self.start(MONTH)})
        )
        self.segments = _by_persona(rows("personas", "card_segments", {}))
        self.organizations = _by_persona(rows("personas", "card_organizations", {}))
        self.networks, self.network_days = self._networks()
        with transaction.atomic():
            self._draw(drawn)
            self._read_drawn()

    def start(self, days: int) -> datetime:
        """Midnight, in the workspace's zone, of the first of so many days that end today."""
        return datetime.combine(self.today - timedelta(days=days - 1), time.min, tzinfo=ZoneInfo(self.zone))

    def _networks(self) -> tuple[Grouped, int]:
        """By network in 90 days, or in the whole history where those are few; and the days taken."""
        found, days = self._speaking(QUARTER), QUARTER
        if self._is_little(found):
            days = self._whole_history(QUARTER)
            found = self._speaking(days)
        return _by_persona(found), days

    def _speaking(self, days: int) -> list[Row]:
        since = self.today - timedelta(days=days)
        return rows("personas", "card_networks", {"since_day": since, "today": self.today})

    def _is_little(self, found: Sequence[Row]) -> bool:
        return self.everybody.get("began") is not None and sum(row["n"] for row in found) < LEAST_TOUCHES

    def _whole_history(self, least: int) -> int:
        return max(least, (self.today - self.everybody["began"]).days + 1)

    def _draw(self, drawn: int) -> None:
        """Draw members, and lay down what they said and what we answered them, for the statements to come."""
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE IF EXISTS {', '.join(_WORKING)}")
        run("personas", "card_sample", {"most": drawn, **zone_parameters(self.zone)})
        _analyze("card_sample")
        self.days = YEAR
        found = self._listen()
        if found < LEAST_TOUCHES and self.everybody.get("began") is not None:
            self.days = self._whole_history(YEAR)
            with connection.cursor() as cursor:
                cursor.execute("DROP TABLE card_said")
            self._listen()
        run("personas", "card_turns", {"since": self.start(self.days)})
        _analyze("card_said")
        _analyze("card_turns")

    def _listen(self) -> int:
        return run("personas", "card_said", {"since": self.start(self.days)})

    def _read_drawn(self) -> None:
        self.spread = {
            row["persona_id"]: row
            for row in rows("personas", "card_spread", {"today": self.today, "zone": self.zone})
        }
        self.people = self._drawn("card_people")
        self.reasons = self._drawn("card_reasons")
        self.topics = self._drawn("card_topics")
        self.content = self._drawn("card_content")
        self.answers = self._drawn("card_answers")
        self.replied = self._drawn("card_replied")
        self.hours = _by_persona(
            rows("personas", "card_hours", {"since": self.start(self.days), "zone": self.zone})
        )
        self.quotes = self._drawn("card_quotes")
        self.replies = self._drawn("card_replies")
        said = [row["text"] for found in (self.quotes, self.replies) for one in found.values() for row in one]
        self.other_names = names_in(said)
        self.means = trait_means()
        self.words = trait_words()

    def _drawn(self, name: str) -> Grouped:
        return _by_persona(rows("personas", name, {}))


def _analyze(table: str) -> None:
    """Without figures on a new table the planner takes it for small, and loops."""
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {table}")


def _by_persona(found: Sequence[Row]) -> Grouped:
    grouped: dict[int | None, list[Row]] = defaultdict(list)
    for row in found:
        grouped[row["persona_id"]].append(row)
    return grouped
