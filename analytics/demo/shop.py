"""Juniper & Loam, the fictional plant shop of the demo: its shelves, staff, accounts and posts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

NAME: Final = "Juniper & Loam"
CURRENCY: Final = "EUR"
SOURCE: Final = "juniper-shop"
"""Where its orders come from."""

STAFF: Final = ("Nora", "Idris", "Paula", "Sven")

PURPOSES: Final = ("marketing", "offers", "events", "reminders", "survey", "calls", "birthday")
"""What the checkout asks permission for."""

TAGS: Final = (
    "loyalty card",
    "click and collect",
    "wish list",
    "stock alerts",
    "care club",
    "gift list",
    "workshop guest",
)
"""What the till and the shop's pages tag people with."""

REGISTERED: Final = ("email", "phone", "whatsapp", "instagram", "facebook")
"""Networks whose handle one may leave with the shop."""


@dataclass(frozen=True)
class Product:
    """Something on the shelf."""

    code: str
    name: str
    category: str
    price: float
    short: str
    """What people call it."""


@dataclass(frozen=True)
class Network:
    """One network the shop is on, and what arrives there."""

    name: str
    account: str
    public: tuple[str, ...]
    """Kinds of public interaction."""
    private: tuple[str, ...]
    weight: float
    """How often people choose it."""


NETWORKS: Final = (
    Network("instagram", "@juniperandloam", ("comment", "mention"), ("message",), 1.3),
    Network("facebook", "Juniper & Loam", ("comment",), ("message",), 1.0),
    Network("x", "@juniperloam", ("mention",), (), 0.7),
    Network("whatsapp", "+352 621 555 014", (), ("message",), 1.1),
    Network("email", "hello@juniperandloam.example", (), ("message",), 1.5),
    Network("chat", "juniperandloam.example", (), ("message",), 0.8),
    Network("phone", "+352 26 55 50 14", (), ("call",), 1.0),
    Network("review", "Juniper & Loam, Rue de la Serre", ("review",), (), 1.0),
)

_SHELVES: Final = {
    "houseplants": (
        ("Monstera deliciosa, 21 cm", "monstera", 34.0),
        ("Snake plant, 17 cm", "snake plant", 22.0),
        ("Peace lily, 14 cm", "peace lily", 14.5),
        ("Golden pothos, hanging", "pothos", 12.0),
        ("Fiddle-leaf fig, 120 cm", "fiddle-leaf fig", 79.0),
        ("Spider plant, 9 cm", "spider plant", 6.5),
        ("Boston fern, 14 cm", "fern", 16.0),
        ("Rubber tree, 80 cm", "rubber tree", 48.0),
    ),
    "rarities": (
        ("Monstera Thai Constellation, young", "Thai Constellation", 89.0),
        ("Philodendron gloriosum", "gloriosum", 64.0),
        ("Anthurium clarinervium", "clarinervium", 46.0),
        ("Hoya kerrii, variegated", "hoya", 27.0),
        ("Begonia maculata cutting", "begonia", 15.0),
        ("String of turtles", "string of turtles", 11.0),
        ("Alocasia Dragon Scale", "alocasia", 38.0),
        ("Tradescantia Nanouk cutting", "tradescantia", 8.0),
    ),
    "pots": (
        ("Terracotta pot, 14 cm", "terracotta pot", 5.5),
        ("Terracotta pot, 24 cm", "big terracotta pot", 13.0),
        ("Glazed planter, sea green", "glazed planter", 29.0),
        ("Fiber planter, 60 cm", "fiber planter", 68.0),
        ("Self-watering insert", "self-watering insert", 18.0),
        ("Hanging basket, woven", "hanging basket", 21.0),
        ("Saucer, 18 cm", "saucer", 4.0),
        ("Nursery pot, set of five", "nursery pots", 8.5),
    ),
    "tools": (
        ("Pruning shears, forged", "shears", 36.0),
        ("Watering can, 1.5 l", "watering can", 24.0),
        ("Mister, brass", "mister", 19.0),
        ("Moisture meter", "moisture meter", 12.5),
        ("Grow light, clip-on", "grow light", 44.0),
        ("Plant labels, slate", "labels", 7.0),
        ("Potting mat", "potting mat", 15.0),
        ("Hand trowel", "trowel", 9.5),
    ),
    "care": (
        ("Aroid mix, 10 l", "aroid mix", 13.5),
        ("Potting soil, peat-free 20 l", "potting soil", 9.0),
        ("Liquid feed, 500 ml", "liquid feed", 11.0),
        ("Neem spray", "neem spray", 8.0),
        ("Sphagnum moss, 100 g", "sphagnum moss", 7.5),
        ("Predatory mites, sachets", "predatory mites", 17.0),
        ("Perlite, 6 l", "perlite", 6.0),
        ("Repotting kit", "repotting kit", 32.0),
    ),
    "seeds": (
        ("Tomato seeds, Ox Heart", "tomato seeds", 3.5),
        ("Wildflower mix, 5 m²", "wildflower mix", 6.5),
        ("Herb trio", "herb trio", 9.0),
        ("Sweet pea seeds", "sweet peas", 4.0),
        ("Tulip bulbs, 25", "tulip bulbs", 12.0),
        ("Dahlia tubers, set of three", "dahlias", 18.0),
        ("Seed tin with calendar", "seed tin", 26.0),
        ("Propagator, heated", "propagator", 42.0),
    ),
    "gifts": (
        ("Terrarium, glass dome", "terrarium", 58.0),
        ("Gift box: first houseplant", "gift box", 32.0),
        ("Dried wreath", "wreath", 27.0),
        ("Winter amaryllis in tin", "amaryllis", 16.0),
        ("Bonsai starter set", "bonsai set", 39.0),
        ("Gift card, 25", "gift card", 25.0),
        ("Plant journal", "plant journal", 14.0),
        ("Matchbox seeds", "matchbox seeds", 5.0),
    ),
    "outlet": (
        ("Second-chance plant", "second-chance plant", 5.0),
        ("Pots with a chip, three", "chipped pots", 7.0),
        ("Last season's bulbs", "last season's bulbs", 4.5),
        ("Surprise box of cuttings", "surprise box", 15.0),
        ("Shears, returned", "returned shears", 21.0),
        ("Grow light, open box", "open-box grow light", 29.0),
        ("Soil, torn bag", "soil in a torn bag", 5.5),
        ("Planter, old color", "old-color planter", 12.0),
    ),
}


def _products() -> tuple[Product, ...]:
    return tuple(
        Product(f"{category[:3].upper()}-{number:02}", name, category, price, short)
        for category, shelf in _SHELVES.items()
        for number, (name, short, price) in enumerate(shelf, start=1)
    )


PRODUCTS: Final = _products()

LIVING: Final = ("houseplants", "rarities")
PLANTS: Final = tuple(product.short for product in PRODUCTS if product.category in LIVING)

POSTS: Final = (
    ("Repotting week: bring the plant, we bring the soil.", "image"),
    ("Three ferns that forgive a dry week.", "carousel"),
    ("How we pack a fiddle-leaf fig so that it arrives standing.", "video"),
    ("The rare shelf opens on Friday at nine.", "image"),
    ("Which of these would live on your desk?", "image"),
    ("Outlet corner: chips and scratches, half the price.", "image"),
    ("Ask our gardener anything, this evening from six.", "video"),
    ("Amaryllis in tins are back for the winter.", "image"),
    ("Peat-free soil, tested for a year on our own shelves.", "carousel"),
    ("A balcony in forty minutes, start to finish.", "video"),
    ("Last day to order for a delivery before the holidays.", "image"),
    ("New: self-watering inserts for every pot we sell.", "carousel"),
)
