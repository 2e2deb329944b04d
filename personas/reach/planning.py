"""A plan: how to split posts and messages over networks and kinds of content, and when to send them.

The rule of splitting stands in `personas.reach.allocation`, days and topics in `personas.reach.scheduling`,
counts in `personas.reach.evidence`; here they meet. A figure with too little behind it is drawn towards
everybody's and says so. The result is plain JSON, so that a plan can be kept as it was made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.utils import timezone

from core import networks as known_networks
from engagement.channels import connector
from engagement.models import ChannelAccount, Post
from engagement.outbox import CLOSED_HEALTH
from personas.models import AdSpend, Persona, Segment
from personas.reach.allocation import capped, largest_remainder, square_root_shares
from personas.reach.evidence import (
    QUARTER,
    Allowed,
    Audience,
    Habits,
    Reader,
)
from personas.reach.results import Span, results
from personas.reach.scheduling import MESSAGE, POST, Schedule, chosen_topics

MOST_DAYS, MOST_POSTS, MOST_MESSAGES = 92, 300, 1_000_000
MOST_AHEAD = 731
"""Days from today within which a plan ends: no calendar shows the year 9999."""
PER_PERSON = 2
"""Messages in 30 days that a person gets at most, whatever their origin, unless a plan says less or more."""
ANSWER_STRENGTH = 20.0
POST_STRENGTH = 5.0
FEW_TOUCHES, FEW_SENT, FEW_REACTIONS = 50, 20, 30
"""Below so many events a figure is said to be weak."""
COST_SWAY = 2.0
"""How far a known cost may raise or lower what is expected of a network: to the double or the half."""
FEW_BOUGHT = 10
"""New customers below which a cost per new customer sways nothing."""
Row = dict[str, Any]


@dataclass(frozen=True)
class Ask:
    """What a plan is for."""

    audience: Audience
    first: date
    last: date
    posts: int = 0
    messages: int = 0
    per_person: int = PER_PERSON


def next_month(today: date) -> tuple[date, date]:
    """The first and the last day of the month after this one."""
    first = (today.replace(day=1) + timedelta(days=32)).replace(day=1)
    return first, (first + timedelta(days=32)).replace(day=1) - timedelta(days=1)


def audience_of(persona: Persona | None, segment: Segment | None) -> Audience:
    """Whom a plan is for: exactly one of the two is given."""
    if persona is not None:
        return Audience.of_persona(persona)
    if segment is None:
        raise ValueError("a plan is for a persona or a segment")
    return Audience.of_segment(segment)


def make_plan(ask: Ask) -> Row:
    """The whole plan as JSON."""
    return _Planner(ask).plan()


class _Planner:
    """Reads what is known and puts one plan together."""

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.reader = Reader()
        self.everybody = self.reader.everybody()
        self.all = self.everybody.habits
        self.own = self.reader.habits(ask.audience.members)
        self.accounts = _accounts()
        self.costs = _costs(self.reader.today)
        self.left_out: list[Row] = []

    def plan(self) -> Row:
        ask = self.ask
        posts = self._posts() if ask.posts else []
        messages, allowed = self._messages() if ask.messages else ([], Allowed())
        topics = chosen_topics(self.own, self.all)
        schedule = Schedule(ask.first, ask.last, own=self.own, everybody=self.all, tz=self.reader.tz)
        entries = schedule.entries(posts, messages, topics)
        return {
            "asked": {"posts": ask.posts, "messages": ask.messages, "per_person": ask.per_person},
            "audience": {
                "kind": ask.audience.kind,
                "id": ask.audience.pk,
                "name": ask.audience.name,
                "size": ask.audience.size,
                "read": ask.audience.read,
                "touches": self.own.touches,
                "days": QUARTER,
            },
            "planned": {
                "posts": sum(row["n"] for row in posts),
                "messages": sum(row["n"] for row in messages),
            },
            "posts": posts,
            "messages": messages,
            "may_be_written_to": {"people": allowed.persons, "of": ask.audience.size}
            if ask.messages
            else None,
            "left_out": self.left_out,
            "contents": _contents(posts),
            "hours": schedule.hours(entries),
            "topics": topics,
            "entries": entries,
            "zone": self.reader.zone,
            "computed_at": timezone.now().isoformat(),
        }

    # Posts

    def _posts(self) -> list[Row]:
        found = {}
        for network in self._post_networks():
            found[network] = self._post_evidence(network)
        expected = {network: row["expected"] for network, row in found.items()}
        shares = square_root_shares(expected)
        given = largest_remainder(shares, self.ask.posts)
        planned = [
            {**found[network], "share": round(shares[network], 4), "n": given[network]} for network in found
        ]
        for row in planned:
            row["contents"] = self._kinds_of(row["network"], row["n"])
        return sorted(planned, key=lambda row: (-row["n"], -row["expected"], row["network"]))

    def _post_networks(self) -> list[str]:
        """Networks where something can be posted; the others are named with the reason."""
        carried = set(Post.objects.order_by().values_list("account__network", flat=True).distinct())
        named = sorted({*self.own.networks, *self.all.networks, *self.accounts})
        chosen = []
        for network in named:
            carries = network in carried or known_networks.get(network).kind == "comment"
            used = network in self.own.networks
            if network not in self.accounts:
                if carries and used:
                    self._leave_out(network, POST, "no_account")
            elif not carries:
                if used:
                    self._leave_out(network, POST, "no_posts")
            elif self.accounts[network] == "closed":
                self._leave_out(network, POST, "closed")
            else:
                chosen.append(network)
        return chosen

    def _leave_out(self, network: str, what: str, reason: str, **figures: int) -> None:
        people = self.own.networks.get(network, {}).get("people", 0)
        row = {"network": network, "what": what, "reason": reason, "people_heard": people, **figures}
        self.left_out.append(row)

    def _post_evidence(self, network: str) -> Row:
        """Reactions of the audience to be expected of one post there, and what that rests on.

        Own reactions per post, drawn by the weight of five posts towards what everybody's reactions there and
        the audience's part of all who speak there would give.
        """
        own, everybody = _kinds(self.own, network), _kinds(self.all, network)
        here, there = self.own.networks.get(network, {}), self.all.networks.get(network, {})
        ours, all_of_them = self.ask.audience.scale, self.everybody.scale
        part = here.get("n", 0) * ours / (there["n"] * all_of_them) if there.get("n") else 0.0
        all_rate = (
            everybody["reactions"] / everybody["posts"]
            if everybody["posts"]
            else _rate_by_size(self.all, there.get("n", 0))
        )
        prior = all_rate * all_of_them * min(part, 1.0)
        expected = (own["reactions"] * ours + POST_STRENGTH * prior) / (own["posts"] + POST_STRENGTH)
        cost = self.costs.get(network)
        sway = self._sway(network)
        return {
            "network": network,
            "expected": round(expected * sway, 6),
            "touches": here.get("n", 0),
            "people": here.get("people", 0),
            "touches_of": self.own.touches,
            "days": QUARTER,
            "posts_before": own["posts"],
            "reactions": own["reactions"],
            "reactions_all": everybody["reactions"],
            "a_post": round(own["reactions"] / own["posts"], 4) if own["posts"] else None,
            "prior": round(prior, 4),
            "cost": cost,
            "sway": round(sway, 3),
            "weak": own["reactions"] < FEW_REACTIONS or here.get("n", 0) < FEW_TOUCHES,
        }

    def _sway(self, network: str) -> float:
        """How a known cost per new customer raises or lowers a network, against the median of all known."""
        known = sorted(
            row["a_new_customer"] for row in self.costs.values() if row["new_customers"] >= FEW_BOUGHT
        )
        own = self.costs.get(network)
        if own is None or own["new_customers"] < FEW_BOUGHT or len(known) < 2 or own["a_new_customer"] <= 0:
            return 1.0
        middle = known[len(known) // 2] if len(known) % 2 else sum(known[len(known) // 2 - 1 :][:2]) / 2
        return min(COST_SWAY, max(1 / COST_SWAY, middle / own["a_new_customer"]))

    def _kinds_of(self, network: str, count: int) -> list[Row]:
        """Kinds of content on one network, by the reactions that a post of the kind can expect."""
        own = [row for row in self.own.kinds if row["network"] == network and row["media"]]
        everybody = {(row["network"], row["media"]): row for row in self.all.kinds}
        if not own:
            return [{"media": "", "n": count, "share": 1.0, "weak": True, "posts": 0, "reactions": 0}]
        whole = _kinds(self.own, network)
        mean = whole["reactions"] / whole["posts"] if whole["posts"] else 0.0
        all_whole = _kinds(self.all, network)
        all_mean = all_whole["reactions"] / all_whole["posts"] if all_whole["posts"] else 0.0
        expected = {}
        for row in own:
            other = everybody[network, row["media"]]
            lift = other["reactions"] / other["posts"] / all_mean if all_mean else 1.0
            prior = (mean or all_mean) * lift
            expected[row["media"]] = (row["reactions"] + POST_STRENGTH * prior) / (
                row["posts"] + POST_STRENGTH
            )
        shares = square_root_shares(expected)
        given = largest_remainder(shares, count)
        found = [
            {
                "media": row["media"],
                "n": given[row["media"]],
                "share": round(shares[row["media"]], 4),
                "expected": round(expected[row["media"]], 4),
                "posts": row["posts"],
                "reactions": row["reactions"],
                "people": row["people"],
                "reactions_all": everybody[network, row["media"]]["reactions"],
                "weak": row["reactions"] < FEW_REACTIONS or row["posts"] < POST_STRENGTH,
            }
            for row in own
        ]
        return sorted(found, key=lambda row: (-row["n"], -row["expected"], row["media"]))

    # Messages

    def _messages(self) -> tuple[list[Row], Allowed]:
        ready = self._message_networks()
        allowed = self.reader.allowed(self.ask.audience, ready, self.ask.per_person)
        for network in ready:
            row = allowed.networks.get(network)
            if row is None:
                self._leave_out(network, MESSAGE, "no_handles")
            elif not row["yes"]:
                told = {name: row[name] for name in ("handles", "refused", "never_asked")}
                self._leave_out(network, MESSAGE, "no_consent", **told)
            elif row["yes"] == row["at_limit"]:
                self._leave_out(network, MESSAGE, "at_limit", yes=row["yes"])
        rates = {network: self._answer_rate(network) for network in allowed.networks}
        caps, people = _best_network(allowed, {network: row["rate"] for network, row in rates.items()})
        expected = {
            network: people[network] * rates[network]["rate"] * self._sway(network) for network in caps
        }
        shares = square_root_shares(expected)
        given = capped(shares, self.ask.messages, caps)
        rows = [
            {
                "network": network,
                "n": given[network],
                "share": round(shares[network], 4),
                "expected": round(expected[network], 6),
                "people": people[network],
                "most": caps[network],
                "cost": self.costs.get(network),
                "sway": round(self._sway(network), 3),
                **rates[network],
                **{
                    name: allowed.networks[network][name]
                    for name in ("handles", "yes", "refused", "never_asked", "at_limit")
                },
            }
            for network in caps
        ]
        return sorted(rows, key=lambda row: (-row["n"], row["network"])), allowed

    def _message_networks(self) -> list[str]:
        """Networks where we may begin; the others are named with the reason."""
        starts = _starting_accounts()
        found = []
        for network in sorted({*self.own.networks, *self.own.answers, *starts}):
            if network not in self.accounts:
                self._leave_out(network, MESSAGE, "no_account")
            elif network not in starts:
                self._leave_out(network, MESSAGE, "cannot_start")
            elif self.accounts[network] == "closed":
                self._leave_out(network, MESSAGE, "closed")
            else:
                found.append(network)
        return found

    def _answer_rate(self, network: str) -> Row:
        """How many of our messages they answer there within a day, drawn to everybody's by 20 messages."""
        own = self.own.answers.get(network, {"sent": 0, "answered": 0})
        other = self.all.answers.get(network) or _all_answers(self.all)
        prior = (other["answered"] + 1) / (other["sent"] + 2)
        rate = (own["answered"] + ANSWER_STRENGTH * prior) / (own["sent"] + ANSWER_STRENGTH)
        return {
            "rate": round(rate, 4),
            "sent": own["sent"],
            "answered": own["answered"],
            "prior": round(prior, 4),
            "sent_all": other["sent"],
            "weak": own["sent"] < FEW_SENT,
        }


# What is known


def _accounts() -> dict[str, str]:
    """Networks with a connected account: "open", or "closed" where none of them works."""
    found: dict[str, str] = {}
    rows = ChannelAccount.objects.active().order_by("pk").values_list("network", "health")
    for network, health in rows:
        state = "closed" if health in CLOSED_HEALTH else "open"
        if found.get(network) != "open":
            found[network] = state
    return found


def _starting_accounts() -> set[str]:
    """Networks where an account may begin a conversation."""
    rows = ChannelAccount.objects.active().order_by().values_list("network", "connector").distinct()
    return {network for network, name in rows if connector(name).may_start(network)}


def _costs(today: date) -> dict[str, Row]:
    """Cost per new customer by network in the last 90 days, where anything was spent."""
    span = Span(today - timedelta(days=QUARTER - 1), today)
    if not AdSpend.objects.filter(day__gte=span.first, day__lte=span.last).exists():
        return {}
    return {
        row.network: {
            "cost": float(row.cost),
            "new_customers": row.new_customers,
            "a_new_customer": float(row.a_new_customer),
            "days": QUARTER,
        }
        for row in results(span).networks
        if row.cost is not None and row.a_new_customer is not None
    }


def _kinds(habits: Habits, network: str) -> Row:
    rows = [row for row in habits.kinds if row["network"] == network]
    return {name: sum(row[name] for row in rows) for name in ("posts", "reactions", "people")}


def _rate_by_size(habits: Habits, touches: int) -> float:
    """Reactions to be expected of a post where nothing was ever posted: by how busy the network is."""
    posted = {row["network"] for row in habits.kinds}
    there = sum(row["n"] for network, row in habits.networks.items() if network in posted)
    posts = sum(row["posts"] for row in habits.kinds)
    if not posts or not there:
        return 1.0
    each = sum(row["reactions"] for row in habits.kinds) / posts
    return each * touches * len(posted) / there


def _all_answers(habits: Habits) -> Row:
    return {name: sum(row[name] for row in habits.answers.values()) for name in ("sent", "answered")}


def _best_network(allowed: Allowed, rates: Mapping[str, float]) -> tuple[dict[str, int], dict[str, int]]:
    """Everybody counts on the one network where an answer is likeliest: messages it may carry, and people."""
    caps: dict[str, int] = {}
    people: dict[str, int] = {}
    for names, left, count in allowed.people:
        best = max(sorted(names), key=lambda network: rates[network])
        caps[best] = caps.get(best, 0) + left * count
        people[best] = people.get(best, 0) + count
    return caps, people


def _contents(posts: Sequence[Row]) -> list[Row]:
    """Kinds of content over all networks."""
    found: dict[str, Row] = {}
    for row in posts:
        for one in row["contents"]:
            kind = found.setdefault(one["media"], {"media": one["media"], "n": 0, "posts": 0, "reactions": 0})
            for name in ("n", "posts", "reactions"):
                kind[name] += one[name]
    whole = sum(kind["n"] for kind in found.values()) or 1
    for kind in found.values():
        kind["share"] = round(kind["n"] / whole, 4)
        kind["a_post"] = round(kind["reactions"] / kind["posts"], 4) if kind["posts"] else None
        kind["weak"] = kind["reactions"] < FEW_REACTIONS or kind["posts"] < POST_STRENGTH
    return sorted(found.values(), key=lambda kind: (-kind["n"], kind["media"]))
