"""The five hidden kinds of customer of the demo shop.

Kinds differ in rates only. Each rate has two levels, and a kind is the set of rates that are high with
it: every kind uses every network, buys from every department and says every sort of thing, and each
rate is shared with one or two other kinds. A person's own rates are drawn around the kind's, and what
happens is drawn from the person's, so that no single rate tells two kinds apart. The kind is never
written into an event, an order or a profile.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

REASONS: Final = ("question", "complaint", "praise", "order", "other")
"""What an interaction may be about."""

CATEGORIES: Final = ("houseplants", "rarities", "pots", "tools", "care", "seeds", "gifts", "outlet")
"""Departments of the shop, in the order of `Kind.tastes`."""

LEVELS: Final = MappingProxyType(
    {
        # who they are
        "born": (1977.2, 1985.5),  # mean year of birth
        "joined": (0.265, 0.49),  # mean day of arrival, 0 the first day of the year shown, 1 the last
        "near": (0.302, 0.698),  # lives in the shop's own country
        "consents": (0.3839, 0.6161),  # allows what the checkout asks for
        "handles": (0.159, 0.601),  # gives one more handle at the checkout
        "tags": (0.2894, 0.5306),  # joins what the shop offers
        # when they come
        "office": (0.437, 0.623),  # nine to five, among weekdays
        "evening": (0.402, 0.598),  # after six, among what is left
        "weekend": (0.21, 0.47),
        "payday": (0.189, 0.441),  # keeps to the days around the turn of the month
        "festive": (0.131, 0.389),  # keeps to November and December
        "morning": (0.34, 0.56),  # before noon, in daytime
        # how they speak
        "public": (0.3321, 0.6179),
        "call": (0.195, 0.445),  # phone calls, among what is private
        "review": (0.3491, 0.5059),  # reviews, among public praise, complaint and talk
        "question": (0.141, 0.399),
        "complaint": (0.142, 0.346),
        "praise": (0.1402, 0.3947),
        "order": (0.112, 0.378),
        "other": (0.1, 0.26),
        "tone": (0.0107, 0.1893),  # mood from -1 to 1 beside what the reason brings
        "wordy": (0.379, 0.591),  # adds a sentence, and another
        # how they buy
        "buys": (0.185, 0.465),  # orders, among touches
        "price": (2.71, 3.01),  # mean logarithm of the price of one unit
        "units": (0.84, 1.1),  # mean logarithm of the units of one product
        "products": (0.3839, 0.6161),  # adds another product to an order, and another
        "discount": (0.0848, 0.1262),  # mean part taken off an order
        "refund": (0.2279, 0.4521),
        "repeat": (0.2403, 0.5797),  # a line of a later order is something bought before
    }
)
"""Low and high of each rate."""


@dataclass(frozen=True)
class Kind:
    """One kind: what is high with it, the rest being low."""

    name: str
    share: float
    """Part of all customers."""
    touches: float
    """Mean touches of a customer who comes back, above the least."""
    high: frozenset[str]
    tastes: tuple[float, ...]
    """Weights of `CATEGORIES`."""

    def rate(self, name: str) -> float:
        """The kind's level of one rate."""
        low, high = LEVELS[name]
        return high if name in self.high else low


def _set(names: str) -> frozenset[str]:
    return frozenset(names.split())


KINDS: Final = (
    Kind(
        name="careful enthusiasts",
        share=0.21,
        touches=6.6,
        high=_set(
            "born consents handles evening public review question praise wordy price products discount"
        ),
        tastes=(3, 4, 2, 2, 2, 2, 1, 1),
    ),
    Kind(
        name="gift buyers",
        share=0.20,
        touches=6.2,
        high=_set(
            "joined near tags evening weekend buys festive call question order tone price discount refund"
        ),
        tastes=(3, 2, 3, 1, 1, 1, 4, 1),
    ),
    Kind(
        name="bargain hunters",
        share=0.19,
        touches=6.6,
        high=_set(
            "born joined consents tags evening weekend payday festive public review complaint other units discount refund repeat"
        ),
        tastes=(3, 1, 2, 2, 2, 2, 1, 4),
    ),
    Kind(
        name="office buyers",
        share=0.19,
        touches=6.4,
        high=_set(
            "joined near handles tags office payday morning buys complaint order tone wordy units refund repeat"
        ),
        tastes=(4, 1, 4, 2, 2, 1, 2, 1),
    ),
    Kind(
        name="quiet regulars",
        share=0.21,
        touches=6.2,
        high=_set("near consents office weekend morning buys call review praise other tone products repeat"),
        tastes=(2, 1, 1, 2, 4, 4, 1, 2),
    ),
)
