"""The five hidden kinds of customer of the demo shop.

Kinds differ in rates only. Every kind uses every network, buys from every category and says every
sort of thing; no rate is far enough from the next kind's to tell two kinds apart by itself. The
kind is never written into an event, an order or a profile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

REASONS: Final = ("question", "complaint", "praise", "order", "other")
"""What an interaction may be about, in the order of `Kind.reasons`."""

CATEGORIES: Final = ("houseplants", "rarities", "pots", "tools", "care", "seeds", "gifts", "outlet")
"""Departments of the shop, in the order of `Kind.tastes`."""


@dataclass(frozen=True)
class Kind:
    """Rates of one kind. A person's own rates are drawn around them, an event's from the person's."""

    name: str
    share: float
    """Part of all customers."""
    born: float
    """Mean year of birth."""
    joined: float
    """Mean of the day of arrival, 0 the first day of the year shown, 1 the last."""
    consents: float
    """Chance to allow each of the purposes the shop asks for."""
    touches: float
    """Mean touches of a customer who comes back, above the least."""
    buys: float
    """Orders among touches."""
    public: float
    """Public among inbound interactions."""
    calls: float
    """Phone calls among private interactions."""
    reviews: float
    """Reviews among public interactions."""
    reasons: tuple[float, float, float, float, float]
    tone: float
    """Mood from -1 to 1 before the reason colors it."""
    weekend: float
    office: float
    """Nine to five among weekdays."""
    evening: float
    """After six, among what is left."""
    price: float
    """Mean logarithm of the price of one unit."""
    units: float
    """Mean logarithm of the units of an order."""
    discount: float
    """Chance that an order carries a discount."""
    refund: float
    festive: float
    """How much likelier a touch is in November and December."""
    repeat: float
    """Chance that a line of a later order is something bought before."""
    tastes: tuple[float, ...]


KINDS: Final = (
    Kind(
        name="careful enthusiasts",
        share=0.21,
        born=1985,
        joined=0.22,
        consents=0.68,
        touches=9.6,
        buys=0.24,
        public=0.58,
        calls=0.10,
        reviews=0.34,
        reasons=(0.40, 0.08, 0.34, 0.06, 0.12),
        tone=0.35,
        weekend=0.24,
        office=0.22,
        evening=0.66,
        price=3.25,
        units=0.65,
        discount=0.14,
        refund=0.07,
        festive=1.0,
        repeat=0.16,
        tastes=(3, 4, 2, 2, 2, 2, 1, 1),
    ),
    Kind(
        name="gift buyers",
        share=0.20,
        born=1982,
        joined=0.50,
        consents=0.30,
        touches=8.6,
        buys=0.40,
        public=0.26,
        calls=0.16,
        reviews=0.14,
        reasons=(0.38, 0.10, 0.14, 0.26, 0.12),
        tone=0.10,
        weekend=0.46,
        office=0.30,
        evening=0.32,
        price=3.25,
        units=0.55,
        discount=0.34,
        refund=0.32,
        festive=3.6,
        repeat=0.14,
        tastes=(3, 2, 3, 1, 1, 1, 4, 1),
    ),
    Kind(
        name="bargain hunters",
        share=0.19,
        born=1993,
        joined=0.52,
        consents=0.66,
        touches=9.0,
        buys=0.30,
        public=0.56,
        calls=0.08,
        reviews=0.18,
        reasons=(0.18, 0.38, 0.10, 0.12, 0.22),
        tone=-0.25,
        weekend=0.44,
        office=0.24,
        evening=0.64,
        price=2.55,
        units=1.30,
        discount=0.62,
        refund=0.28,
        festive=1.8,
        repeat=0.18,
        tastes=(3, 1, 2, 2, 2, 2, 1, 4),
    ),
    Kind(
        name="office buyers",
        share=0.18,
        born=1977,
        joined=0.30,
        consents=0.30,
        touches=9.2,
        buys=0.46,
        public=0.24,
        calls=0.34,
        reviews=0.16,
        reasons=(0.16, 0.32, 0.08, 0.32, 0.12),
        tone=-0.05,
        weekend=0.16,
        office=0.60,
        evening=0.28,
        price=2.70,
        units=1.40,
        discount=0.32,
        refund=0.08,
        festive=1.0,
        repeat=0.46,
        tastes=(4, 1, 4, 2, 2, 1, 2, 1),
    ),
    Kind(
        name="quiet regulars",
        share=0.22,
        born=1967,
        joined=0.20,
        consents=0.50,
        touches=8.8,
        buys=0.50,
        public=0.32,
        calls=0.28,
        reviews=0.36,
        reasons=(0.16, 0.08, 0.36, 0.12, 0.28),
        tone=0.30,
        weekend=0.20,
        office=0.56,
        evening=0.30,
        price=2.65,
        units=0.60,
        discount=0.14,
        refund=0.07,
        festive=1.0,
        repeat=0.44,
        tastes=(2, 1, 1, 2, 4, 4, 1, 2),
    ),
)
