"""A year of the demo shop from one seed: people, what they said, what staff answered, what they bought.

Pure: no database, no clock, no file. The same seed and moment give the same demo on every machine, and
each customer has a stream of random numbers of their own, so that more customers leave the others as
they are. The hidden kind of each customer stands in `Demo.kinds` and nowhere else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

from analytics.demo import shop, words
from analytics.demo.kinds import CATEGORIES, KINDS, REASONS, Kind
from analytics.demo.names import CITIES, COMMON_FAMILIES, COUNTRIES, FIRST, RARE_FAMILIES

YEAR: Final = 365
SPARSE: Final = 5
"""Every fifth customer came once or twice and not again."""
LEAST: Final = 4
"""Touches of a customer who came back."""
SPREAD: Final = 4.5
"""How close a person's rates lie to the kind's (a Beta with this sum of parameters)."""
ANSWERED: Final = {"question": 0.62, "complaint": 0.72, "order": 0.62, "praise": 0.14, "other": 0.08}
ANSWERED_IN_PUBLIC: Final = 0.6


@dataclass(frozen=True)
class Identity:
    """One handle of a person on one network."""

    network: str
    external_id: str
    handle: str


@dataclass(frozen=True)
class Consent:
    """What a person allowed or refused at the checkout."""

    purpose: str
    granted: bool
    at: datetime


@dataclass(frozen=True)
class Person:
    """A customer of the demo shop."""

    number: int
    name: str
    language: str
    country: str
    city: str
    birth_year: int | None
    identities: tuple[Identity, ...]
    consents: tuple[Consent, ...]
    tags: tuple[str, ...]


@dataclass(frozen=True)
class Post:
    """Something the shop published."""

    external_id: str
    network: str
    text: str
    media: str
    published_at: datetime


@dataclass(frozen=True)
class Interaction:
    """One touch, inbound with a person or outbound with a member of staff."""

    external_id: str
    network: str
    thread_key: str
    kind: str
    direction: str
    public: bool
    occurred_at: datetime
    text: str
    person: int
    """Number of the person who wrote, or who is answered."""
    meant: str
    """Reason the text was made for; never loaded, it judges how texts are read."""
    subject: str = ""
    in_reply_to: str = ""
    post: str = ""
    rating: int | None = None
    staff: str = ""


@dataclass(frozen=True)
class Line:
    """One product of an order."""

    product: str
    name: str
    category: str
    units: int
    price: float


@dataclass(frozen=True)
class Order:
    """One purchase."""

    external_id: str
    person: int
    placed_at: datetime
    total: float
    units: int
    discount: float
    refunded: float
    lines: tuple[Line, ...]


@dataclass
class Demo:
    """Everything the demo workspace is filled with."""

    seed: int
    until: date
    posts: list[Post] = field(default_factory=list)
    people: list[Person] = field(default_factory=list)
    interactions: list[Interaction] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    kinds: dict[int, str] = field(default_factory=dict)
    """Hidden kind by number of the person."""
    handles: set[str] = field(default_factory=set)
    """Handles that somebody has, on whatever network: who comes later adds a number."""


@dataclass(frozen=True)
class Rates:
    """One person's own rates, drawn around the kind's."""

    buys: float
    public: float
    calls: float
    reviews: float
    reasons: tuple[float, ...]
    tone: float
    wordy: float
    weekend: float
    payday: float
    office: float
    evening: float
    festive: float
    morning: float
    price: float
    units: float
    products: float
    discount: float
    refund: float
    repeat: float
    consents: float
    handles: float
    tags: float
    joined: float
    left: float
    networks: tuple[float, ...]


def generate(*, seed: int, now: datetime, customers: int = 2000) -> Demo:
    """The demo shop's last twelve months before `now` (aware, in the workspace's zone)."""
    demo = Demo(seed=seed, until=now.date())
    demo.posts = _posts(Random(f"{seed}:posts"), now)
    for number in range(1, customers + 1):
        _Life(demo, number, now).live()
    demo.interactions.sort(key=lambda row: (row.occurred_at, row.external_id))
    demo.orders.sort(key=lambda row: (row.placed_at, row.external_id))
    return demo


def _posts(rng: Random, now: datetime) -> list[Post]:
    posts = []
    for number, days in enumerate(range(YEAR - 1, 0, -5)):
        text, media = shop.POSTS[number % len(shop.POSTS)]
        at = _at(now.date() - timedelta(days=days), rng.uniform(8, 19), now.tzinfo)
        network = ("instagram", "facebook")[number % 2]
        posts.append(Post(f"post-{rng.getrandbits(40):010x}", network, text, media, at))
    return posts


def _at(day: date, hour: float, zone: object) -> datetime:
    assert isinstance(zone, ZoneInfo) or zone is not None
    seconds = min(int(hour * 3600), 86399)
    clock = time(seconds // 3600, seconds % 3600 // 60, seconds % 60)
    return datetime.combine(day, clock, tzinfo=zone)  # type: ignore[arg-type]


def _narrow(days: list[date], is_such: Callable[[date], bool], wanted: bool) -> list[date]:
    """Those of `days` that are such, or are not; all of them where none fits."""
    return [day for day in days if is_such(day) == wanted] or days


def _is_payday(day: date) -> bool:
    """Around the turn of the month, when wages come in."""
    return day.day >= 26 or day.day <= 4


def _around(rng: Random, rate: float, spread: float = SPREAD) -> float:
    return rng.betavariate(rate * spread, (1 - rate) * spread)


def _mix(rng: Random, rates: Sequence[float], spread: float = SPREAD) -> tuple[float, ...]:
    """A Dirichlet draw around `rates`."""
    drawn = [rng.gammavariate(max(rate * spread, 0.05), 1.0) for rate in rates]
    return tuple(value / sum(drawn) for value in drawn)


def _about(rng: Random, mean: float, *, most: int) -> int:
    return min(most, max(0, round(rng.gauss(mean, 0.2))))


def _some(rng: Random, things: Sequence[str], rate: float) -> tuple[str, ...]:
    """About that part of the things, in their order."""
    chosen = rng.sample(things, _about(rng, rate * len(things), most=len(things)))
    return tuple(thing for thing in things if thing in chosen)


def _poisson(rng: Random, mean: float) -> int:
    limit, product, count = math.exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        count += 1
    return count


def _own_rates(rng: Random, kind: Kind) -> Rates:
    def around(name: str) -> float:
        return _around(rng, kind.rate(name))

    def told(name: str) -> float:
        """Some tell a shop much and some little, whatever their kind."""
        return kind.rate(name) + 0.21 * openness + rng.gauss(0, 0.03)

    def spent(name: str) -> float:
        """Some spend freely and some do not, whatever their kind."""
        return kind.rate(name) + 0.25 * freely + rng.gauss(0, 0.05)

    freely = rng.gauss(0, 1)
    joined = _around(rng, kind.rate("joined"), 4.0) * 0.9
    openness = rng.gauss(0, 1)
    return Rates(
        consents=told("consents"),
        handles=told("handles"),
        tags=told("tags"),
        joined=joined,
        left=1.0 if rng.random() < 0.7 else rng.uniform(joined + 0.05, 1.0),
        office=around("office"),
        evening=around("evening"),
        weekend=around("weekend"),
        payday=around("payday"),
        festive=around("festive"),
        morning=around("morning"),
        public=around("public"),
        calls=around("call"),
        reviews=around("review"),
        reasons=_mix(rng, [kind.rate(reason) for reason in REASONS]),
        tone=rng.gauss(kind.rate("tone"), 0.2),
        wordy=around("wordy"),
        buys=around("buys"),
        price=spent("price"),
        units=spent("units"),
        products=_around(rng, kind.rate("products"), 1.6),
        discount=rng.gauss(kind.rate("discount"), 0.045),
        refund=around("refund"),
        repeat=around("repeat"),
        networks=tuple(network.weight * rng.gammavariate(0.8, 1.0) for network in shop.NETWORKS),
    )


class _Life:
    """One customer's year, drawn from their own stream of random numbers."""

    def __init__(self, demo: Demo, number: int, now: datetime) -> None:
        self.demo, self.number, self.now = demo, number, now
        self.rng = Random(f"{demo.seed}:{number}")
        self.kind = self.rng.choices(KINDS, [kind.share for kind in KINDS])[0]
        self.rates = _own_rates(self.rng, self.kind)
        self.identities: dict[str, Identity] = {}
        self.bought: list[shop.Product] = []
        self.first_order: datetime | None = None
        self.country, self.language = self._home()
        self.first = self.rng.choice(FIRST[self.language])
        self.last = self._family(self.rng.choice(COMMON_FAMILIES[self.language]))

    def _home(self) -> tuple[str, str]:
        rng = self.rng
        places = COUNTRIES[:1] if rng.random() < self.kind.rate("near") else COUNTRIES[1:]
        country, language, _part = rng.choices(places, [part for *_, part in places])[0]
        return country, language

    def _family(self, common: str) -> str:
        """One in five has a common name, the others a rare one, from a stream that draws nothing else."""
        own = Random(f"{self.demo.seed}:{self.number}:family")
        return common if own.random() < 0.2 else own.choice(RARE_FAMILIES[self.language])

    def live(self) -> None:
        """Draw the year and write it into the demo."""
        rng = self.rng
        self.demo.kinds[self.number] = self.kind.name
        for network in _some(rng, shop.REGISTERED, self.rates.handles):
            self._identity(network)
        sparse = self.number % SPARSE == 0
        if sparse:
            touches = 1 if rng.random() < 0.2 else 2
        else:
            touches = LEAST + _poisson(rng, rng.gammavariate(2, self.kind.touches / 2))
        buys = [rng.random() < self.rates.buys for _touch in range(touches)]
        if sparse and touches == 2 and rng.random() < 0.8:
            buys = [True, False]
        for at, order in zip(sorted(self._moments(touches)), buys, strict=True):
            if at > self.now:
                continue
            if order:
                self._order(at)
            else:
                self._speak(at, answered=touches != 2)
        self.demo.people.append(self._person())

    def _moments(self, count: int) -> list[datetime]:
        """When the touches happen: the first on the day of arrival, the others until the person left."""
        begin = self.now.date() - timedelta(days=YEAR - 1)
        return [self._moment(begin, first=index == 0) for index in range(count)]

    def _moment(self, begin: date, *, first: bool) -> datetime:
        """A day that has as many of the drawn properties as the person's time in the year allows."""
        rng, rates = self.rng, self.rates
        low, high = rates.joined, rates.joined + 0.05 if first else rates.left
        days = [begin + timedelta(days=day) for day in range(int(low * YEAR), max(int(high * YEAR), 1))]
        weekend = rng.random() < rates.weekend
        days = _narrow(days, lambda day: day.weekday() >= 5, weekend)
        days = _narrow(days, _is_payday, rng.random() < rates.payday)
        days = _narrow(days, lambda day: day.month >= 11, rng.random() < rates.festive)
        return _at(rng.choice(days), self._hour(weekend), self.now.tzinfo)

    def _hour(self, weekend: bool) -> float:
        rng, rates = self.rng, self.rates
        daytime = weekend or rng.random() < rates.office
        if rng.random() < rates.evening and (weekend or not daytime):
            return min(rng.triangular(18, 23.9, 20), 23.9)
        if not daytime:
            return rng.choice((rng.uniform(6.5, 9), rng.uniform(17, 18)))
        return rng.uniform(9, 12) if rng.random() < rates.morning else rng.uniform(12, 17)

    # What they say

    def _identity(self, network: str) -> Identity:
        found = self.identities.get(network)
        if found is None:
            found = self.identities[network] = self._new_identity(network)
        return found

    def _new_identity(self, network: str) -> Identity:
        plain = f"{self.first}.{self.last}".lower().encode("ascii", "ignore").decode()
        if network == "email":
            address = f"{plain}{self.number}@example.org"
            return Identity(network, address, address)
        if network in ("phone", "whatsapp"):
            number = f"+352621{100000 + self.number:06}"
            return Identity(network, number, number)
        external_id = f"{self.rng.getrandbits(52):016d}"
        style = self.rng.choice(("{}", "{}.grows", "the.{}", "{}_green", "{}{}"))
        return Identity(network, external_id, self._free(style.format(plain, self.number)))

    def _free(self, handle: str) -> str:
        """The handle, with this person's number where somebody of the same name has it."""
        mine = {identity.handle for identity in self.identities.values()}
        if handle in self.demo.handles and handle not in mine:
            handle = f"{handle}{self.number}"
        self.demo.handles.add(handle)
        return handle

    def _network(self, *, public: bool, reason: str) -> tuple[shop.Network, str]:
        """Where they speak, and with which kind of interaction; nobody asks or orders in a review."""
        rng = self.rng
        if public and reason in words.RATINGS and rng.random() < self.rates.reviews:
            return next((network, "review") for network in shop.NETWORKS if "review" in network.public)
        if not public and rng.random() < self.rates.calls:
            return next((network, "call") for network in shop.NETWORKS if "call" in network.private)
        fitting = [
            (network, weight * (4 if network.name in self.identities else 1))
            for network, weight in zip(shop.NETWORKS, self.rates.networks, strict=True)
            if self._kinds(network, public)
        ]
        network = rng.choices([row[0] for row in fitting], [row[1] for row in fitting])[0]
        return network, rng.choice(self._kinds(network, public))

    @staticmethod
    def _kinds(network: shop.Network, public: bool) -> tuple[str, ...]:
        kinds = network.public if public else network.private
        return tuple(kind for kind in kinds if kind not in ("review", "call"))

    def _speak(self, at: datetime, *, answered: bool) -> None:
        rng = self.rng
        public = rng.random() < self.rates.public
        reason = rng.choices(REASONS, self.rates.reasons)[0]
        network, kind = self._network(public=public, reason=reason)
        feeling = rng.gauss(self.rates.tone, 0.3)
        mood = 1 if feeling > 0.3 else -1 if feeling < -0.3 else 0
        topic = self._topic()
        identity = self._identity(network.name)
        external_id = f"{network.name}-{rng.getrandbits(48):012x}"
        post = self._post(network.name, at) if kind == "comment" else ""
        said = Interaction(
            external_id=external_id,
            network=network.name,
            thread_key=self._thread_key(kind, network.name, identity, external_id, post),
            kind=kind,
            direction="inbound",
            public=public,
            occurred_at=at,
            text=words.say(
                rng,
                reason=reason,
                mood=mood,
                topic=topic,
                language=self.language,
                more=self._more(),
                letter=network.name == "email" or (not public and rng.random() < 0.4),
                me=self.first,
            ),
            person=self.number,
            meant=reason,
            subject=words.subject(rng, reason=reason, topic=topic) if network.name == "email" else "",
            post=post,
            rating=rng.choice(words.RATINGS[reason]) if kind == "review" else None,
        )
        self.demo.interactions.append(said)
        if answered and rng.random() < ANSWERED[reason] * (ANSWERED_IN_PUBLIC if public else 1):
            self._answer(said, topic)

    def _more(self) -> int:
        """Sentences added for the talkative."""
        return _about(self.rng, 6 * self.rates.wordy, most=6)

    def _topic(self) -> words.Topic:
        rng = self.rng
        first, second = self._product(self.rates.price), self._product(self.rates.price)
        if self.bought and rng.random() < 0.5:
            first = rng.choice(self.bought)
        plants = [row.short for row in (first, *self.bought) if row.category in shop.LIVING]
        plant, other = rng.sample(shop.PLANTS, 2)
        return words.Topic(first.short, second.short, plants[0] if plants else plant, other)

    def _post(self, network: str, at: datetime) -> str:
        """One of the newest three posts at that moment; '' before the first."""
        before = [post for post in self.demo.posts if post.network == network and post.published_at < at]
        return self.rng.choice(before[-3:]).external_id if before else ""

    @staticmethod
    def _thread_key(kind: str, network: str, identity: Identity, external_id: str, post: str) -> str:
        if kind == "comment" and post:
            return f"post:{post}:{external_id}"
        if kind in ("comment", "mention", "review", "call") or network == "email":
            return f"{kind}:{external_id}"
        return f"dm:{identity.external_id}"

    def _answer(self, said: Interaction, topic: words.Topic) -> None:
        rng = self.rng
        hours = rng.lognormvariate(0.9, 1.0)
        at = said.occurred_at + timedelta(hours=hours)
        if at.hour < 8 or at.hour >= 19:
            at += timedelta(hours=(8 - at.hour) % 24 + rng.uniform(0, 1.5))
        if at > self.now:
            return
        self.demo.interactions.append(
            Interaction(
                external_id=f"{said.external_id}-a",
                network=said.network,
                thread_key=said.thread_key,
                kind="comment" if said.kind == "mention" else "message" if said.kind == "call" else said.kind,
                direction="outbound",
                public=said.public,
                occurred_at=at,
                text=words.answer(rng, reason=said.meant, topic=topic, name=self.first),
                person=self.number,
                meant="",
                subject=f"Re: {said.subject}" if said.subject else "",
                in_reply_to=said.external_id,
                post=said.post,
                staff=rng.choice(shop.STAFF),
            )
        )

    # What they buy

    def _product(self, price: float) -> shop.Product:
        """A product by the kind's taste, near the person's price."""
        weights = [
            self.kind.tastes[CATEGORIES.index(product.category)]
            * math.exp(-((math.log(product.price) - price) ** 2) / (2 * 0.12**2))
            for product in shop.PRODUCTS
        ]
        return self.rng.choices(shop.PRODUCTS, weights)[0]

    def _order(self, at: datetime) -> None:
        rng, rates = self.rng, self.rates
        self._identity("email")
        self.first_order = self.first_order or at
        lines = self._lines()
        gross = sum(line.units * line.price for line in lines)
        cut = round(min(0.5, max(0.0, rng.gauss(rates.discount, 0.02))), 2)
        total = round(gross * (1 - cut), 2)
        refunded = 0.0
        if rng.random() < rates.refund:
            refunded = total if rng.random() < 0.5 else round(min(total, lines[0].price * lines[0].units), 2)
        self.demo.orders.append(
            Order(
                external_id=f"JL-{rng.getrandbits(40):010x}",
                person=self.number,
                placed_at=at,
                total=total,
                units=sum(line.units for line in lines),
                discount=round(gross - total, 2),
                refunded=refunded,
                lines=lines,
            )
        )

    def _lines(self) -> tuple[Line, ...]:
        rng, rates = self.rng, self.rates
        count = 1 + _about(rng, 5 * rates.products, most=5)
        before = list(self.bought)
        chosen: list[tuple[shop.Product, int]] = []
        for _line in range(count):
            again = before and rng.random() < rates.repeat
            product = rng.choice(before) if again else self._product(rng.gauss(rates.price, 0.15))
            if product not in [known for known, _units in chosen]:
                chosen.append((product, max(1, round(rng.lognormvariate(rates.units, 0.18)))))
        self.bought.extend(product for product, _part in chosen if product not in self.bought)
        return tuple(
            Line(product.code, product.name, product.category, part, product.price)
            for product, part in chosen
        )

    # Who they are

    def _person(self) -> Person:
        rng, kind = self.rng, self.kind
        age_known = rng.random() < 0.9
        born = min(2005, max(1936, round(rng.gauss(kind.rate("born"), 8))))
        asked = self.first_order or self.now - timedelta(days=rng.uniform(1, 300))
        allowed = _some(rng, shop.PURPOSES, self.rates.consents)
        return Person(
            number=self.number,
            name=f"{self.first} {self.last}",
            language=self.language,
            country=self.country,
            city=rng.choice(CITIES[self.country]),
            birth_year=born if age_known else None,
            identities=tuple(self.identities.values()),
            consents=tuple(Consent(purpose, purpose in allowed, asked) for purpose in shop.PURPOSES),
            tags=_some(rng, shop.TAGS, self.rates.tags),
        )
