"""Awkward customers and random rules over them, from one seed.

The rules are drawn from what the builder is told of the fields, so that a new field is asked about as soon as
it exists; values come from the customers themselves, so that conditions divide them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection, models
from django.utils import timezone

from accounts.models import Team, User
from core.models import Workspace
from crm.models import (
    Affiliation,
    Consent,
    Customer,
    CustomerTag,
    CustomField,
    Identity,
    Tag,
    Task,
)
from engagement.models import ChannelAccount, ContactLedger, Conversation, Post
from personas.models import (
    CustomerDay,
    Persona,
    PersonaMembership,
    Prediction,
    Segment,
    SegmentMembership,
    Traits,
)

PLACES = [
    ("Europe/Berlin", date(2026, 3, 29)),
    ("America/Santiago", date(2026, 4, 5)),
    ("Africa/Cairo", date(2026, 4, 24)),
    ("America/Santiago", date(2026, 9, 6)),
    ("Europe/Berlin", date(2026, 10, 25)),
    ("Africa/Cairo", date(2026, 10, 30)),
    ("Asia/Kathmandu", date(2026, 4, 5)),
]
"""Zones, and days near which their clocks change: in some the change is at midnight."""
TEXTS = ["", "%", "a_b", "a%b", "O'Hara", 'say "hi"', "back\\slash", "Straße", "STRASSE", "émile", "ÉMILE"]
TEXTS += ["  padded ", "line\nbreak", "%s %(x)s", "日本", "ΣΊΣΥΦΟΣ", "σίσυφος", "Kettle", "kettle bell"]
NETWORKS = ["email", "instagram", "phone", "x"]
KINDS = ["message", "comment", "mention", "review", "call", "survey", "order", "visit"]
DRAWN = (*NETWORKS, *KINDS, "inbound", "outbound")
WINDOWS = [1, 2, 7, 30, 90, 365]
"""Lengths that rules ask, and so many days ago something happened."""
BACK = [0, *WINDOWS, *(days + 1 for days in WINDOWS)]
OWN = {
    "shoe": "text",
    "site": "url",
    "weight": "number",
    "member": "flag",
    "joined": "date",
    "size": "choice",
}


class RuleWorld:
    """Customers in every table a rule can ask."""

    def __init__(self, seed: int, *, customers: int) -> None:
        self.random = Random(seed)
        Workspace.current()
        self.team, _made = Team.objects.get_or_create(is_general=True, defaults={"name": "General"})
        self.staff = [
            User.objects.create(email=f"staff{n}@example.com", name=f"Staff {n}", role="agent")
            for n in range(2)
        ]
        self.account = ChannelAccount.objects.create(
            connector="api", network="email", external_id="mail", name="mail", team=self.team
        )
        for media in ("image", "video"):
            Post.objects.create(account=self.account, external_id=media, media=media)
        for place, (key, kind) in enumerate(OWN.items()):
            CustomField.objects.create(
                key=key, label=key.title(), type=kind, position=place,
                choices=["S", "M", "L"] if kind == "choice" else [],
            )  # fmt: skip
        self._people(customers)
        self._groups()
        self._traits()
        self._told()

    def maybe(self, value: Any, unknown: float = 0.15) -> Any:
        """The value, or sometimes nothing."""
        return None if self.random.random() < unknown else value

    def instant(self) -> datetime:
        """Near the edge of a local day, so many days before one on which clocks change."""
        zone, day = self.random.choice(PLACES)
        at = datetime.combine(
            day - timedelta(days=self.random.choice(BACK) - self.random.choice([0, 1, 3])),
            time.min,
            ZoneInfo(zone),
        )
        return at.astimezone(UTC) + self.random.choice(
            [timedelta(0), timedelta(microseconds=-1), timedelta(hours=1), timedelta(hours=23)]
        )

    def day(self) -> date:
        """A day on which a window of some rule begins or ends."""
        day = self.random.choice(PLACES)[1]
        return day - timedelta(days=self.random.choice(BACK) + self.random.choice([-1, 0, 0, 1]))

    def _custom(self) -> dict[str, Any]:
        chance = self.random
        own = {
            "shoe": chance.choice(TEXTS),
            "site": chance.choice(["https://a.example", "", "http://b.example/x"]),
            "weight": chance.choice([0, 1, 2.5, -3, "heavy"]),
            "member": chance.choice([True, False, "yes"]),
            "joined": chance.choice([self.day().isoformat(), "not a day"]),
            "size": chance.choice(["S", "M", "L"]),
        }
        return {key: value for key, value in own.items() if chance.random() < 0.8}

    def _people(self, count: int) -> None:
        chance = self.random
        made = Customer.objects.bulk_create(
            Customer(
                kind="organization" if n % 9 == 0 else "person",
                name=chance.choice(TEXTS) if n % 9 else f"Org {n:04d}",
                language=chance.choice(["", "en", "fr", "pt"]),
                country=chance.choice(["", "DE", "FR", "CL"]),
                city=chance.choice(TEXTS),
                zone=chance.choice(["", "Europe/Berlin", "Africa/Cairo"]),
                birth_year=self.maybe(chance.choice([1950, 1980, 1999, 2001])),
                job=chance.choice(TEXTS),
                company=chance.choice(TEXTS),
                profession=chance.choice(["", "nursing", "Nursing", "law"]),
                interests=chance.sample(["coffee", "bikes", "Straße", "chess"], chance.randrange(3)),
                stage=chance.choice(["awareness", "consideration", "purchase", "retention", "advocacy"]),
                profiling_refused=chance.random() < 0.1,
                owner=self.maybe(chance.choice(self.staff), 0.4),
                created_at=self.instant(),
                custom=self._custom(),
            )
            for n in range(count)
        )
        self.people = [one for one in made if one.kind == "person"]
        self.organizations = [one for one in made if one.kind == "organization"]
        for one in chance.sample(self.people, count // 12):
            one.merged_into = chance.choice(self.organizations)
        for one in chance.sample(self.people, count // 4):
            one.referred_by = one.home_referred_by = chance.choice(self.organizations)
        Customer.objects.bulk_update(made, ["merged_into", "referred_by", "home_referred_by"])
        self.everybody = made
        self.identities = Identity.objects.bulk_create(
            Identity(network=chance.choice(NETWORKS), external_id=f"id {n}", customer=one, home_customer=one)
            for n, one in enumerate(made * 2)
        )

    def some(self, share: float) -> Iterator[Customer]:
        """Some customers, each with this chance."""
        return (one for one in self.everybody if self.random.random() < share)

    def _groups(self) -> None:
        chance = self.random
        tags = [Tag.objects.create(name=name) for name in ("gold", "late", "kind", "new")]
        CustomerTag.objects.bulk_create(
            CustomerTag(tag=tag, customer=one, home_customer=one) for tag in tags for one in self.some(0.35)
        )
        rule: dict[str, Any] = {"all": []}
        segments = [Segment.objects.create(name=f"Segment {n}", rule=rule) for n in range(3)]
        SegmentMembership.objects.bulk_create(
            SegmentMembership(segment=segment, customer=one, version=1, since=timezone.now())
            for segment in segments
            for one in self.some(0.3)
        )
        personas = [Persona.objects.create(name=f"Persona {n}", rank=n) for n in range(3)]
        PersonaMembership.objects.bulk_create(
            PersonaMembership(
                customer=one, persona=chance.choice(personas), since=timezone.now(), reasons=[],
                confidence=chance.choice([0.1, 0.35, 1 / 3, 0.5, 0.8, 1.0]),
            )
            for one in self.some(0.8)
        )  # fmt: skip
        pairs = {(one.pk, chance.choice(self.organizations).pk) for one in self.people for _each in range(2)}
        Affiliation.objects.bulk_create(
            Affiliation(
                person_id=person, home_person_id=person, organization_id=place, home_organization_id=place
            )
            for person, place in sorted(pairs)
            if chance.random() < 0.3
        )

    def _traits(self) -> None:
        names = {
            "top_network": [*NETWORKS, ""], "top_reason": ["question", "complaint", "praise", "order"],
            "top_topic": ["delivery", "app", "battery"], "top_complaint": ["delivery", "app", "battery"],
            "top_media": ["image", "video"], "age_band": ["under 18", "25-34", "35-44"],
            "usual_weekday": [1, 2, 5, 7], "usual_hour": [0, 8, 12, 23],
        }  # fmt: skip
        Traits.objects.bulk_create(
            Traits(customer=one, computed_at=timezone.now(), **self._columns(Traits, names))
            for one in self.some(0.9)
        )
        names = {"best_network": [*NETWORKS, ""], "best_hour": [0, 8, 12, 23], "next_category": TEXTS}
        rows = [
            Prediction(customer=one, computed_at=timezone.now(), **self._columns(Prediction, names))
            for one in self.some(0.7)
        ]
        for row in rows:
            row.value_high = None if row.value_low is None else row.value_low + 5
        Prediction.objects.bulk_create(rows)

    def _columns(self, model: type[models.Model], names: Mapping[str, list[Any]]) -> dict[str, Any]:
        """A value for each column by its type, unknown where it may be."""
        found = {}
        for column in model._meta.concrete_fields:
            if column.primary_key or column.name == "computed_at":
                continue
            if column.name in names:
                value: Any = self.random.choice(names[column.name])
            elif isinstance(column, models.DateTimeField):
                value = self.instant()
            elif isinstance(column, models.FloatField):
                value = self.random.choice([0.0, 0.1, 0.25, 1 / 3, 0.5, 0.9, 1.0])
            elif isinstance(column, models.DecimalField):
                value = self.random.choice(
                    [Decimal("0.00"), Decimal("12.50"), Decimal("99.99"), Decimal("400")]
                )
            elif isinstance(column, models.CharField):
                value = self.random.choice([text for text in TEXTS if len(text) <= (column.max_length or 1)])
                value = value[: column.max_length]
            else:
                value = self.random.choice([0, 1, 2, 3, 5, 8])
            found[column.name] = self.maybe(value, 0.25) if column.null else value
        return found

    def _told(self) -> None:
        chance = self.random
        for one in self.identities:
            if chance.random() < 0.5:
                given = chance.random() < 0.6
                Consent.objects.create(
                    identity=one, purpose=chance.choice(["marketing", "ads"]), given=given, source="form",
                    whole_person=not given and chance.random() < 0.5, at=self.instant(),
                    customer=one.customer, home_customer=one.customer,
                )  # fmt: skip
        Task.objects.bulk_create(
            Task(title="call", customer=one, home_customer=one, done_at=self.maybe(timezone.now(), 0.5))
            for one in self.some(0.4)
        )
        Conversation.objects.bulk_create(
            Conversation(
                account=self.account, team=self.team, customer=one, home_customer=one,
                status=chance.choice(["open", "resolved"]), first_at=timezone.now(), last_at=timezone.now(),
            )
            for one in self.some(0.6)
        )  # fmt: skip
        ContactLedger.objects.bulk_create(
            ContactLedger(
                customer=one, home_customer=one, origin=chance.choice(["reply", "started", "service"]),
                at=self.instant(),
            )
            for _each in range(3)
            for one in self.some(0.6)
        )  # fmt: skip
        CustomerDay.objects.bulk_create(self._days(), ignore_conflicts=True)

    def _days(self) -> Iterator[CustomerDay]:
        chance = self.random
        for _each in range(9):
            for one in self.some(0.7):
                n = chance.randrange(1, 4)
                kind = chance.choice(KINDS)
                yield CustomerDay(
                    customer=one, day=self.day(), network=chance.choice(NETWORKS), kind=kind, n=n,
                    direction=chance.choice(["inbound", "inbound", "outbound"]),
                    **{f"{name}_n": chance.choice([0, 0, 1, n]) for name in FELT},
                )  # fmt: skip


FELT = ("question", "complaint", "praise", "positive", "negative")


def select(sql: str) -> list[dict[str, Any]]:
    """Rows by column name, for the oracle."""
    with connection.cursor() as cursor:
        cursor.execute(sql)
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


# Rules

EACH = 5
"""So many conditions of each field and of each operator of a type stand in one deck."""


class Rules:
    """Draws rules of what the builder is told, so that no field or operator is left out."""

    def __init__(self, seed: int, told: Mapping[str, Any], value: Any, customers: list[int]) -> None:
        """`value` gives a field's value of a customer; what is typed is drawn from it."""
        self.random, self.value, self.customers = Random(seed), value, customers
        self.fields = {field["name"]: field for group in told["groups"] for field in group["fields"]}
        self.events = {event["name"]: event for group in told["groups"] for event in group["events"]}
        self.deck: list[tuple[str, str]] = []
        self.fields_asked: Counter[str] = Counter()
        self.operators_asked: Counter[str] = Counter()

    def draw(self) -> dict[str, Any]:
        """A rule with some nesting."""
        depth = self.random.choice([1, 2, 3, 3, 3, 4, 5])
        return self._group(depth)

    def _group(self, depth: int) -> dict[str, Any]:
        if depth == 0:
            return self._leaf()
        kind = self.random.choice(["all", "any", "any", "not"])
        if kind == "not":
            return {"not": self._group(depth - 1)}
        others = [
            self._group(self.random.choice([0, 0, depth - 1]) if depth > 1 else 0)
            for _each in range(self.random.choice([0, 1, 1, 2]))
        ]
        children = [self._group(depth - 1), *others]
        self.random.shuffle(children)
        return {kind: children}

    def _leaf(self) -> dict[str, Any]:
        if not self.deck:
            self.deck = self._shuffled()
        name, op = self.deck.pop()
        kind = "event" if name in self.events else self.fields[name]["type"]
        self.fields_asked[name] += 1
        self.operators_asked[f"{kind} {op}"] += 1
        return self._event(name, op) if name in self.events else self._condition(name, op)

    def _shuffled(self) -> list[tuple[str, str]]:
        deck, operators = [], Counter[str]()
        for name, field in [*self.fields.items(), *self.events.items()]:
            names = [operator["name"] for operator in field["operators"]]
            cards = [(name, op) for op in names * -(-EACH // len(names))]
            deck += cards
            operators.update(f"{field.get('type', 'event')} {op}" for _name, op in cards)
        for name, field in [*self.fields.items(), *self.events.items()]:
            for operator in field["operators"]:
                key = f"{field.get('type', 'event')} {operator['name']}"
                while operators[key] < EACH:
                    deck.append((name, operator["name"]))
                    operators[key] += 1
        self.random.shuffle(deck)
        return deck

    def _event(self, name: str, op: str) -> dict[str, Any]:
        event: dict[str, Any] = {"what": name}
        for dimension in self.events[name]["dimensions"]:
            if self.random.random() < 0.3:
                values = [choice["value"] for choice in dimension["choices"]]
                known = [
                    value for value in values if value in (*NETWORKS, *KINDS, "inbound", "outbound")
                ] or values
                event[dimension["name"]] = self.random.choice(known)
                if self.random.random() < 0.3:
                    event[dimension["name"]] = self.random.sample(known, min(2, len(known)))
        low = 1 if op == "at_least" else 0
        rule = {"event": event, "op": op, "count": self.random.choice([low, 1, 1, 2, 3])}
        if self.random.random() < 0.7:
            rule["days"] = self.random.choice(WINDOWS)
        return rule

    def _condition(self, name: str, op: str) -> dict[str, Any]:
        field = self.fields[name]
        kind = next(one["input"] for one in field["operators"] if one["name"] == op)
        value = self._typed(field, kind)
        return {"field": name, "op": op} if value is None else {"field": name, "op": op, "value": value}

    def _typed(self, field: Mapping[str, Any], kind: str) -> Any:
        chance, name = self.random, field["name"]
        choices = [choice["value"] for choice in field["choices"] or []]
        if kind == "none":
            return None
        if kind == "choice":
            return chance.choice(choices)
        if kind == "choices":
            return chance.sample(choices, min(len(choices), chance.randrange(1, 4)))
        if kind == "consent":
            about = {"purpose": chance.choice(["marketing", "ads"])}
            return about if chance.random() < 0.5 else {**about, "network": chance.choice(NETWORKS)}
        if kind == "days":
            return chance.choice(WINDOWS)
        single = {"number_range": self._number, "date_range": self._date, "texts": self._text}
        if kind in ("number_range", "date_range"):
            return sorted(single[kind](name) for _each in range(2))
        if kind == "texts":
            return [self._text(name) for _each in range(chance.randrange(1, 4))]
        return {"number": self._number, "date": self._date, "text": self._text}[kind](name)

    def _seen(self, name: str) -> Any:
        """A value that some customer has."""
        for _each in range(20):
            value = self.value(name, self.random.choice(self.customers))[1]
            if value is not None:
                return value
        return None

    def _number(self, name: str) -> float:
        value = self._seen(name) or 0
        number = float(value) + self.random.choice([0, 0, 0, 1, -1, 0.5])
        return int(number) if number == int(number) else number

    def _date(self, name: str) -> str:
        day = self._seen(name) or date(2026, 3, 1)
        return (day + timedelta(days=self.random.choice([-30, -1, 0, 0, 1, 30]))).isoformat()

    def _text(self, name: str) -> str:
        text = str(self._seen(name) or "a")
        begin = self.random.choice([0, 0, len(text) // 2])
        part = text[begin : self.random.choice([len(text), begin + 3])]
        return self.random.choice([part, part.swapcase(), part.upper()]) if part.strip() else "a"


def depth(rule: Mapping[str, Any]) -> int:
    """How many groups stand in each other."""
    if "not" in rule:
        return 1 + depth(rule["not"])
    inner = rule.get("all") or rule.get("any")
    return 1 + max(map(depth, inner)) if inner else 0
