"""One card, as JSON, from what was gathered for all. Every share says its base."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from personas.cards.apart import LEAST_BASE, sets_apart
from personas.cards.gathering import MONTH, WEEKS_12, YEAR, Gathered
from personas.cards.voices import complaints, glad, quotes, replies

TOP = 5
HEAT = 5
LEAST_SENT = 20
"""A rate of answers over fewer messages is left out."""
LEAST_SPEAKERS = 2
"""A topic of one customer alone is theirs and not the persona's."""
FEW = 30
"""Under so many members a card says that it rests on few."""
Row = dict[str, Any]
Week = Sequence[Sequence[int]]
"""Seven days, Monday first, of 24 hours each."""

_WHO = {"country": 3, "city": 3, "language": 3, "job": 3, "stage": 3, "interest": 5}
_VALUE: Mapping[str, tuple[str, int]] = {
    "value_365": ("valued", 2),
    "active": ("judged", 3),
    "average_order": ("orders_known", 2),
    "gap_days": ("gaps_known", 1),
    "refund_share": ("refunds_known", 4),
    "complaint_share": ("reasons_known", 4),
    "sentiment": ("moods_known", 3),
}
"""Figure: (of how many it is known, digits)."""


def make_card(gathered: Gathered, persona_id: int) -> Row:
    """Everything that one card shows, but what people wrote on it."""
    own = {**gathered.spread.get(persona_id, {}), **gathered.numbers[persona_id]}
    everybody = {**gathered.spread.get(None, {}), **gathered.everybody}
    answers = _answers(gathered.answers.get(persona_id, ()), gathered.answers.get(None, ()))
    found, names = gathered.quotes.get(persona_id, ()), gathered.other_names
    return {
        "base": _base(own, everybody, gathered.days),
        "who": _who(own, gathered.people.get(persona_id, ())),
        "reasons": _reasons(gathered.reasons.get(persona_id, ()), gathered.reasons.get(None, ())),
        "topics": _topics(gathered.topics.get(persona_id, ())),
        "hurts": _hurts(gathered.topics.get(persona_id, ())),
        "quotes": quotes(found, names),
        "complaints": complaints(found, names),
        "glad": glad(found, names),
        "networks": _networks(gathered.networks.get(persona_id, ()), gathered.network_days),
        "content": _content(gathered.content.get(persona_id, ()), gathered.content.get(None, ())),
        "answers": answers,
        "replies": replies(gathered.replies.get(persona_id, ()), names),
        "replied": _replied(gathered.replied.get(persona_id, ()), gathered.replied.get(None, ())),
        "hours": _heat(gathered.hours.get(persona_id, ()), gathered.days),
        "value": _value(own, everybody),
        "apart": sets_apart(
            gathered.means.get(persona_id, {}),
            gathered.means.get(None, {}),
            gathered.words.get(persona_id, ()),
            least_base=LEAST_BASE,
        ),
        "changed": _changed(gathered, persona_id),
        "segments": _segments(gathered.segments.get(persona_id, ()), own, everybody),
        "organizations": [
            {"organization": row["organization_id"], "people": row["people"], "of": row["size"]}
            for row in gathered.organizations.get(persona_id, ())
        ],
    }


def _base(own: Row, everybody: Row, days: int) -> Row:
    lately = bool(everybody["revenue_365"])
    revenue = "revenue_365" if lately else "revenue"
    return {
        "customers": own["customers"],
        "of": everybody["customers"],
        "speakers": own["speakers"],
        "buyers": own["buyers"],
        "revenue_share": rounded(own[revenue] / everybody[revenue], 4) if everybody[revenue] else None,
        "revenue_days": YEAR if lately else None,
        "revenue_buyers": own["buyers_365"] if lately else own["buyers"],
        "drawn": own.get("drawn", 0),
        "days": days,
        "few": own["customers"] < FEW,
    }


def _who(own: Row, people: Sequence[Row]) -> Row:
    shares = {
        what: [
            {
                "value": row["value"],
                "n": row["customers"],
                "share": rounded(row["customers"] / row["base"], 4),
                "base": row["base"],
            }
            for row in people
            if row["what"] == what
        ][:most]
        for what, most in _WHO.items()
    }
    drawn = own.get("drawn") or 0
    return {
        **shares,
        "age_from": rounded(own.get("age_from"), 0),
        "age_to": rounded(own.get("age_to"), 0),
        "ages_known": own.get("ages_known", 0),
        "age_known_share": rounded(own.get("ages_known", 0) / drawn, 4) if drawn else 0.0,
        "months_with_us": rounded(own.get("months_with_us"), 1),
        "months_known": own.get("months_known", 0),
    }


def _reasons(found: Sequence[Row], everybody: Sequence[Row]) -> list[Row]:
    """Why they contact us, of the interactions with a known reason."""
    everywhere = {row["reason"]: float(row["n"] / row["base"]) for row in everybody}
    return [
        {
            "reason": row["reason"],
            "n": row["n"],
            "customers": row["customers"],
            "share": rounded(row["n"] / row["base"], 4),
            "all": rounded(everywhere.get(row["reason"], 0), 4),
            "base": int(row["base"]),
        }
        for row in found
    ][:TOP]


def _topics(found: Sequence[Row]) -> list[Row]:
    return [
        {
            "topic": row["topic"],
            "n": row["n"],
            "share": rounded(row["n"] / row["base"], 4),
            "base": row["base"],
            "customers": row["customers"],
        }
        for row in found
        if row["customers"] >= min(LEAST_SPEAKERS, row["base"])
    ][:TOP]


def _hurts(found: Sequence[Row]) -> list[Row]:
    """What their complaints are about: topics of unhappy interactions, by their share among those."""
    unhappy = [row for row in found if row["unhappy_customers"] >= LEAST_SPEAKERS]
    unhappy.sort(key=lambda row: (-row["unhappy_n"], row["topic"]))
    return [
        {
            "topic": row["topic"],
            "n": row["unhappy_n"],
            "share": rounded(row["unhappy_n"] / row["unhappy_base"], 4),
            "base": row["unhappy_base"],
            "customers": row["unhappy_customers"],
        }
        for row in unhappy[:TOP]
    ]


def _networks(found: Sequence[Row], days: int) -> Row:
    base = sum(int(row["n"]) for row in found)
    shares = [
        {
            "network": row["network"],
            "share": rounded(int(row["n"]) / base, 4),
            "n": int(row["n"]),
            "customers": row["customers"],
        }
        for row in found
    ]
    return {"shares": shares, "base": base, "days": days}


def _content(found: Sequence[Row], everybody: Sequence[Row]) -> Row:
    """Kinds of media and topics of the posts they react to, beside everybody's."""
    everywhere = {(row["what"], row["value"]): float(row["n"] / row["base"]) for row in everybody}
    return {
        what: [
            {
                "value": row["value"],
                "n": row["n"],
                "customers": row["customers"],
                "share": rounded(row["n"] / row["base"], 4),
                "all": rounded(everywhere.get((what, row["value"]), 0), 4),
                "base": int(row["base"]),
            }
            for row in found
            if row["what"] == what and row["customers"] >= LEAST_SPEAKERS
        ][:most]
        for what, most in (("media", 4), ("topic", 3))
    }


def _answers(found: Sequence[Row], everybody: Sequence[Row]) -> list[Row]:
    """Where they answer us, the best first; a rate over few messages is left out."""
    everywhere = {row["network"]: row["answered"] / row["sent"] for row in everybody}
    told = [
        {
            "network": row["network"],
            "rate": rounded(row["answered"] / row["sent"], 4),
            "all": rounded(everywhere.get(row["network"]), 4),
            "base": row["sent"],
            "customers": row["customers"],
        }
        for row in found
        if row["sent"] >= LEAST_SENT
    ]
    return sorted(told, key=lambda row: (-row["rate"], row["network"]))


def _replied(found: Sequence[Row], everybody: Sequence[Row]) -> Row | None:
    """How many replies to what they asked or complained were thanked; None for too few."""
    if not found or found[0]["replies"] < LEAST_SENT:
        return None
    own, everywhere = found[0], everybody[0]
    return {
        "rate": rounded(own["thanked"] / own["replies"], 4),
        "all": rounded(everywhere["thanked"] / everywhere["replies"], 4),
        "base": own["replies"],
    }


def _heat(found: Iterable[Row], days: int) -> Row:
    counts, customers = ([[0] * 24 for _day in range(7)] for _what in range(2))
    for row in found:
        counts[row["weekday"] - 1][row["hour"]] = row["n"]
        customers[row["weekday"] - 1][row["hour"]] = row["customers"]
    return heat(counts, customers, days)


def heat(counts: Week, customers: Week, days: int) -> Row:
    """Touches by weekday (Monday first) and hour, their customers, steps of 0 to 5, the best two hours."""
    most = max(max(day) for day in counts)
    steps = [[-(-HEAT * n // most) if most else 0 for n in day] for day in counts]
    return {
        "counts": counts,
        "customers": customers,
        "steps": steps,
        "best": best_hours(counts),
        "base": sum(sum(day) for day in counts),
        "days": days,
    }


def best_hours(counts: Week) -> list[Row]:
    """The two fullest hours of the week, as weekday (1 is Monday), hour and touches."""
    cells = [(-n, day + 1, hour) for day, row in enumerate(counts) for hour, n in enumerate(row) if n]
    return [{"weekday": day, "hour": hour, "n": -n} for n, day, hour in sorted(cells)[:2]]


def _value(own: Row, everybody: Row) -> Row:
    """Figures beside those of everybody: {name: {here, all, base}}; of the value also its usual interval."""
    found = {
        name: {
            "here": rounded(own.get(name), digits),
            "all": rounded(everybody.get(name), digits),
            "base": own.get(base) or 0,
        }
        for name, (base, digits) in _VALUE.items()
    }
    found["value_365"] |= {
        "low": rounded(own.get("value_low"), 2),
        "high": rounded(own.get("value_high"), 2),
        "intervals": own.get("intervals_known") or 0,
    }
    return found


def _changed(gathered: Gathered, persona_id: int) -> Row:
    """Members twelve weeks ago, and from and to whom they moved in the last 30 days."""
    found = gathered.changes.get(persona_id, ())
    came, gone = (sum(int(row[way]) for row in found) for way in ("came", "gone"))

    def moves(way: str, new: str) -> list[Row]:
        told = [
            {"persona": row["other_id"], "name": gathered.names.get(row["other_id"], new), "n": int(row[way])}
            for row in found
            if row[way]
        ]
        return sorted(told, key=lambda row: (-row["n"], row["persona"] or 0))[:3]

    return {
        "members_before": int(gathered.numbers[persona_id]["customers"]) - came + gone,
        "came": moves("came_late", "new customers"),
        "left": moves("gone_late", "no persona"),
        "weeks": WEEKS_12 // 7,
        "days": MONTH,
    }


def _segments(found: Sequence[Row], own: Row, everybody: Row) -> list[Row]:
    """Segments in which they are more often than everybody, the most telling first.

    `here` is the part of the persona that is in the segment, `there` the part of the segment that is in the
    persona, `times` how much oftener they are in it than a customer of everybody would be.
    """
    told = []
    for row in found:
        here, there = row["both"] / own["customers"], row["both"] / row["size"]
        usual = own["customers"] / everybody["customers"]
        told.append(
            {
                "segment": row["segment_id"],
                "n": row["both"],
                "here": rounded(here, 4),
                "there": rounded(there, 4),
                "times": rounded(there / usual, 2),
                "size": row["size"],
            }
        )
    told.sort(key=lambda row: (-row["n"] * (row["times"] - 1), row["segment"]))
    return told[:TOP]


def rounded(value: Any, digits: int) -> float | None:
    """A figure as JSON keeps it; None stays None."""
    return None if value is None else round(float(value), digits)
