"""When and about what a plan speaks: a day, an hour and a topic for every post and batch of messages.

How many go where is decided before (`personas.reach.planning`); which hours suit comes from
`personas.reach.slots`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from personas.reach.allocation import interleave, largest_remainder, square_root_shares
from personas.reach.evidence import YEAR, Habits, added, base_of
from personas.reach.slots import Slot, blended, choose_slots

POST, MESSAGE = "post", "message"
HOUR_STRENGTH = 100.0
FEW_HOURS, FEW_TOPICS = 200, 20
"""Below so many touches of their own, hours or topics are said to be weak."""
TOPICS = 6
Row = dict[str, Any]


class Schedule:
    """The days and hours of one plan; each slot that is given is taken for the next network."""

    def __init__(self, first: date, last: date, *, own: Habits, everybody: Habits, tz: ZoneInfo) -> None:
        self.first, self.last, self.tz = first, last, tz
        self.own, self.all = own, everybody
        self.taken: Counter[date] = Counter()

    def entries(self, posts: Sequence[Row], messages: Sequence[Row], topics: Sequence[Row]) -> list[Row]:
        """Every post and every batch of messages with its day, hour and topic, the earliest first."""
        found: list[Row] = []
        for row in posts:
            kinds = interleave({one["media"]: one["n"] for one in row["contents"] if one["n"]})
            slots = self._slots(row["network"], POST, row["n"])
            for (day, hour), media in zip(slots, kinds, strict=True):
                found.append(self._entry(day, hour, row["network"], POST, media=media))
        for row in messages:
            for (day, hour), people in self._batches(row):
                found.append(self._entry(day, hour, row["network"], MESSAGE, people=people))
        found.sort(key=lambda entry: (entry["at"], entry["what"], entry["network"]))
        names = _names(topics, len(found))
        for place, entry in enumerate(found):
            entry["topic"] = names[place] if names else ""
        return found

    def hours(self, entries: Sequence[Row]) -> Row:
        """Hours of the week: when they are here, what is planned, and how much that rests on."""
        counts = added(self.own.ours)
        planned = [[0] * 24 for _day in range(7)]
        for entry in entries:
            day = date.fromisoformat(entry["day"])
            planned[day.weekday()][entry["hour"]] += 1
        base = base_of(counts)
        most = max(max(row) for row in counts) or 1
        steps = [[min(5, -(-5 * int(n) // int(most))) for n in row] for row in counts]
        others = sum(base_of(grid) for grid in self.own.theirs.values())
        moved = sum(
            abs(a - b)
            for one, two in zip(added(self.own.ours), added(self.own.theirs), strict=True)
            for a, b in zip(one, two, strict=True)
        )
        return {
            "counts": [[int(n) for n in row] for row in counts],
            "steps": steps,
            "planned": planned,
            "base": base,
            "days": YEAR,
            "weak": base < FEW_HOURS,
            "base_all": base_of(added(self.all.ours)),
            "elsewhere": round(moved / 2 / others, 4) if others else 0.0,
        }

    def _grid(self, network: str, what: str) -> tuple[list[list[float]], bool]:
        """Weights of the hours of the week, and whether there are too few touches of their own.

        Posts go by our clock, since all read them at one moment; messages by the people's own.
        """
        own, everybody = (
            (self.own.ours, self.all.ours) if what == POST else (self.own.theirs, self.all.theirs)
        )
        whole, prior = added(own), added(everybody)
        general = blended(whole, prior, HOUR_STRENGTH)
        here = own.get(network)
        grid = blended(here, general, HOUR_STRENGTH) if here else general
        return grid, base_of(whole) < FEW_HOURS

    def _slots(self, network: str, what: str, count: int) -> list[Slot]:
        grid, _weak = self._grid(network, what)
        return choose_slots(self.first, self.last, grid, count, taken=self.taken, own=Counter())

    def _batches(self, row: Row) -> list[tuple[Slot, int]]:
        """Messages of a network in one batch a week, each on the day and hour that suits best."""
        days = (self.last - self.first).days + 1
        count = min(row["n"], max(1, -(-days // 7)))
        if not count:
            return []
        slots = self._slots(row["network"], MESSAGE, count)
        parts = largest_remainder(dict.fromkeys(range(count), 1.0), row["n"])
        return [(slot, parts[place]) for place, slot in enumerate(slots)]

    def _entry(self, day: date, hour: int, network: str, what: str, **more: Any) -> Row:
        """Times are the workspace's; a message is meant for that hour on its reader's own clock."""
        at = datetime.combine(day, time(hour), tzinfo=self.tz)
        grid, weak = self._grid(network, what)
        weekday = grid[day.weekday()]
        return {
            "at": at.isoformat(),
            "day": day.isoformat(),
            "hour": hour,
            "network": network,
            "what": what,
            "media": more.get("media", ""),
            "people": more.get("people", 0),
            "times": round(weekday[hour] / (sum(map(sum, grid)) / 168), 1),
            "weak": weak,
        }


def chosen_topics(own: Habits, everybody: Habits) -> list[Row]:
    """What they talk about, the most first; what everybody talks of where too little is known of them."""
    rows = own.topics
    base = sum(row["n"] for row in rows)
    weak = base < FEW_TOPICS
    if weak:
        rows = everybody.topics
    found: dict[str, Row] = {}
    for row in rows:
        one = found.setdefault(row["topic"], {"topic": row["topic"], "n": 0, "people": 0, "reasons": {}})
        one["n"] += row["n"]
        one["people"] = max(one["people"], row["people"])
        one["reasons"][row["reason"]] = row["n"]
    chosen = sorted(found.values(), key=lambda row: (-row["n"], row["topic"]))[:TOPICS]
    for row in chosen:
        row["leading"] = max(sorted(row["reasons"]), key=lambda name: row["reasons"][name])
        row["weak"] = weak
        row["of"] = sum(one["n"] for one in rows)
    return chosen


def _names(topics: Sequence[Row], count: int) -> list[str]:
    """Topics for so many entries, by the square root of how often they came up."""
    shares = square_root_shares({row["topic"]: float(row["n"]) for row in topics})
    return interleave({name: n for name, n in largest_remainder(shares, count).items() if n})
