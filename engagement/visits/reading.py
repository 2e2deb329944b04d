"""Reads what a site tells about one visit: what may be kept of it, and what it says about plans."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from core.text import clean_text
from engagement.channels.base import Author, Direction, Event, Kind, VisitFacts
from engagement.models import Intent

PAGE_VIEW = "page_view"
MAX_EVENTS = 50
MAX_PROPERTIES = 20
MAX_PROPERTIES_BYTES = 2_000
MAX_VALUE = 300
MAX_AGE = timedelta(days=30)
"""An app that was without a connection sends what happened meanwhile; older than this is refused."""
EVENT_NAME = re.compile(r"[a-z0-9][a-z0-9_.:-]{0,59}")
CARTS = frozenset(
    "added_to_cart add_to_cart cart_added product_added checkout_started begin_checkout".split()
)
PRODUCTS = frozenset("product_viewed view_item viewed_product viewed_content pricing_viewed".split())
PRODUCT_PAGES = ("product", "products", "item", "shop", "pricing", "prices", "plans")
"""Pieces of addresses under which products and prices stand, where the site names no others."""
BOTS = re.compile(
    r"bot\b|bot/|crawl|spider|slurp|headless|lighthouse|pingdom|uptime|monitor|preview|facebookexternalhit"
    r"|curl/|wget/|python-|java/|go-http|okhttp-bot|phantomjs|scrapy|archive\.org",
    re.IGNORECASE,
)


class BadVisit(ValueError):
    """A visit that cannot be kept, with the reason for whoever sent it."""


@dataclass(frozen=True)
class VisitIn:
    """One page view or app event as it was sent; `id` is the client's own, by which a repeat is known."""

    id: str
    event: str = PAGE_VIEW
    at: datetime | None = None
    url: str = ""
    title: str = ""
    referrer: str = ""
    properties: Mapping[str, Any] = field(default_factory=dict)


def is_bot(user_agent: str) -> bool:
    """Whether a program that is nobody's browser says so; nothing is kept of it."""
    return not user_agent.strip() or BOTS.search(user_agent) is not None


def event_of(
    visit: VisitIn,
    author: Author,
    *,
    now: datetime,
    pages: Sequence[str] = PRODUCT_PAGES,
    any_age: bool = False,
) -> Event:
    """The interaction that a visit becomes. Raises BadVisit.

    A clock that is ahead counts as now. `pages` are the pieces of addresses under which products stand.
    """
    name = visit.event.strip().lower().replace(" ", "_")
    if not EVENT_NAME.fullmatch(name):
        raise BadVisit("event has 1 to 60 letters a to z, digits, and . : _ - between them")
    at = min(visit.at or now, now)
    if not any_age and at < now - MAX_AGE:
        raise BadVisit(f"at is more than {MAX_AGE.days} days ago")
    url = kept_url(visit.url)
    return Event(
        external_id=external_id(author, visit.id),
        kind=Kind.VISIT,
        direction=Direction.INBOUND,
        occurred_at=at,
        subject=_shown(visit.title, url) if name == PAGE_VIEW else _spoken(name),
        text="",
        thread_keys=(),
        author=author,
        visit=VisitFacts(
            event=name,
            url=url,
            referrer=_without_query(visit.referrer)[:500],
            properties=_kept_properties(visit.properties),
            intent=intent_of(name, url, pages),
        ),
    )


def external_id(author: Author, given: str) -> str:
    """One id for one visit of one person, whatever ids others give theirs."""
    person = "\0".join((author.network, author.issuer, author.external_id, given))
    return f"visit:{sha256(person.encode()).hexdigest()[:40]}"


def intent_of(name: str, url: str, pages: Sequence[str]) -> str:
    """Whether a visit is a look at a product or price, or puts something into the cart."""
    if name in CARTS:
        return Intent.CART.value
    if name in PRODUCTS:
        return Intent.PRODUCT.value
    path = f"{urlsplit(url).path.lower().rstrip('/')}/"
    shown = any(f"/{page.lower().strip('/')}/" in path for page in pages if page.strip("/ "))
    return Intent.PRODUCT.value if shown and name == PAGE_VIEW else Intent.NONE.value


def kept_url(url: str) -> str:
    """An address without its fragment, without who is signed in, and without its query, campaign marks apart.

    Tokens, addresses of people and what somebody searched for travel in queries.
    """
    bare = _without_query(url)
    if not bare:
        return ""
    marks = [(key, value) for key, value in parse_qsl(_split(url).query) if key.startswith("utm_")]
    return (f"{bare}?{urlencode(marks)}" if marks else bare)[:1000]


def _without_query(url: str) -> str:
    parts = _split(clean_text(url, limit=4000).strip())
    if not parts.netloc and not parts.path:
        return ""
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def _split(url: str) -> Any:
    try:
        return urlsplit(url)
    except ValueError as error:
        raise BadVisit(f"url cannot be read: {error}") from error


def _kept_properties(given: Mapping[str, Any]) -> dict[str, Any]:
    if len(given) > MAX_PROPERTIES:
        raise BadVisit(f"properties has at most {MAX_PROPERTIES} entries")
    kept = {clean_text(key, limit=60): _kept_value(value) for key, value in given.items()}
    if len(json.dumps(kept).encode()) > MAX_PROPERTIES_BYTES:
        raise BadVisit(f"properties is larger than {MAX_PROPERTIES_BYTES} bytes")
    return kept


def _kept_value(value: Any) -> Any:
    if isinstance(value, str):
        return clean_text(value, limit=MAX_VALUE)
    if value is None or isinstance(value, bool | int | float):
        return value
    raise BadVisit("a value of properties is a text, a number, true, false or null")


def _shown(title: str, url: str) -> str:
    """A page by its title; by its place where it has none."""
    return clean_text(title, limit=300).replace("\n", " ").strip() or urlsplit(url).path[:300]


def _spoken(name: str) -> str:
    return name.replace("_", " ").replace(".", " ").strip().capitalize()
