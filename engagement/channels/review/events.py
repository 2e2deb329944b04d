"""From a review as a file or a call tells it to what `ingest` takes. Stars are one to five here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from typing import Any

from core.text import parse_when
from engagement.channels.base import Author, Direction, Event, Kind
from engagement.models import ChannelAccount

STARS = 5
LARGEST = 10
MAX_ID = 280


class BadReview(ValueError):
    """A row that is no review, with the reason."""


def thread_key(review_id: str) -> str:
    """Each review is a conversation of its own."""
    return f"review:{review_id}"


def stars_of(rating: int, scale: int) -> int:
    """A rating as stars: of ten points two are a star, halves go up, and even nothing is one star."""
    if scale == STARS:
        return rating
    return max(1, (rating + 1) // 2)


def scale_of(account: ChannelAccount) -> int:
    """What the ratings of this account go up to."""
    return LARGEST if str(account.settings.get("scale", STARS)) == str(LARGEST) else STARS


def adapted(account: ChannelAccount, event: Event) -> Event:
    """A pushed event as a review: public, a thread of its own, with stars, and an author even if unnamed."""
    if event.direction != Direction.INBOUND:
        return replace(event, public=True)
    rating = event.rating
    if rating is not None and 0 <= rating <= LARGEST:
        rating = stars_of(rating, scale_of(account))
    return replace(
        event,
        kind=Kind.REVIEW if event.kind == Kind.MESSAGE else event.kind,
        public=True,
        thread_keys=event.thread_keys or (thread_key(event.external_id),),
        author=event.author or unnamed(event.external_id),
        rating=rating,
        object_key=event.object_key or f"{account.network}:{event.external_id}",
    )


def unnamed(review_id: str, name: str = "") -> Author:
    """Who wrote a review on a site that gives no ids: somebody else for each review, for nobody can tell."""
    return Author(external_id=f"of:{review_id}"[:MAX_ID], name=name, handle=name)


# Rows of a file


def review_of(row: Mapping[str, Any]) -> Event:
    """The review that a row tells. Raises BadReview."""
    return Event(
        external_id=id_of(row),
        kind=Kind.REVIEW,
        direction=Direction.INBOUND,
        occurred_at=when(row, "created_at"),
        text=text_of(row, "text"),
        thread_keys=(),
        author=author_of(row),
        subject=text_of(row, "title"),
        rating=rating_of(row),
    )


def author_of(row: Mapping[str, Any]) -> Author:
    """Who wrote it, as the site knows them."""
    name, author_id = text_of(row, "author_name"), text_of(row, "author_id")
    if not author_id:
        return replace(unnamed(id_of(row), name), facts=facts_of(row))
    return Author(author_id, handle=name, name=name, facts=facts_of(row))


def facts_of(row: Mapping[str, Any]) -> dict[str, str]:
    """What a site tells of the author."""
    return {name: text_of(row, name) for name in ("language", "country") if text_of(row, name)}


def answer_of(row: Mapping[str, Any]) -> Event | None:
    """Our answer as it stands on the site, None where there is none."""
    text = text_of(row, "answer")
    if not text:
        return None
    told = when(row, "answered_at") if text_of(row, "answered_at") else edited_at(row)
    review_id = id_of(row)
    return Event(
        external_id=f"{review_id}:answer",
        kind=Kind.COMMENT,
        direction=Direction.OUTBOUND,
        occurred_at=told or when(row, "created_at"),
        text=text,
        thread_keys=(thread_key(review_id),),
        in_reply_to=review_id,
        public=True,
    )


def id_of(row: Mapping[str, Any]) -> str:
    """The review's id; where the site gives none, one out of who wrote it when, which an edit keeps."""
    given = text_of(row, "review_id")
    if given:
        return given
    who = text_of(row, "author_id") or text_of(row, "author_name")
    if not who:
        raise BadReview("a review without review_id needs its author's id or name")
    return "made:" + sha256(f"{who}\n{when(row, 'created_at').isoformat()}".encode()).hexdigest()


def edited_at(row: Mapping[str, Any]) -> datetime | None:
    """When it was changed last, None where nobody says."""
    return when(row, "updated_at") if text_of(row, "updated_at") else None


def when(row: Mapping[str, Any], name: str) -> datetime:
    """A column as a moment. Raises BadReview."""
    try:
        return parse_when(text_of(row, name))
    except ValueError as error:
        raise BadReview(f"{name}: {error}") from error


def rating_of(row: Mapping[str, Any]) -> int:
    """The rating as stars; a row may say out of how many it is. Raises BadReview."""
    text, scale = text_of(row, "rating"), text_of(row, "scale") or str(STARS)
    if scale not in (str(STARS), str(LARGEST)):
        raise BadReview(f"scale {scale[:20]!r} is neither 5 nor 10")
    try:
        value = float(text.replace(",", "."))
    except ValueError as error:
        raise BadReview(f"rating {text[:20]!r} is not a number") from error
    least = 1 if scale == str(STARS) else 0
    if not least <= value <= int(scale):
        raise BadReview(f"rating {text[:20]} is not between {least} and {scale}")
    return stars_of(int(value + 0.5), int(scale))


def text_of(row: Mapping[str, Any], name: str) -> str:
    """A column as text, '' for none. Raises BadReview."""
    value = row.get(name)
    if isinstance(value, (dict, list)):
        raise BadReview(f"{name} must be text")
    return "" if value is None else str(value).strip()
