"""Interactions from a file: every line names its network and account, which are made where they are new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from accounts.models import Team
from core.files import Row
from core.import_stores import take_by
from core.imports import Importer, PageResult, Stored, register
from core.mapping import Target
from core.text import clean_text, parse_when
from engagement.channels.base import Author, Event
from engagement.ingest import Outcome, ingest
from engagement.models import ChannelAccount
from engagement.removing import undo_interactions

KIND = "import_interactions"
REQUIRED = ("network", "account", "external_id", "direction", "occurred_at")
_TRUE = frozenset({"true", "1", "yes", "t", "y"})


class BadRow(ValueError):
    """A row that is no interaction, with the reason."""


def register_importer() -> None:
    """Make this kind of file known."""
    take = take_by(store_rows, required=REQUIRED, key_of=_key_of)
    register(
        Importer(
            KIND, "Interactions", REQUIRED, store_rows, targets=targets, take=take, undo=undo_interactions
        )
    )


def targets() -> list[Target]:
    """What the columns of a file of interactions may hold: columns are recognized by these very names."""
    group = _("Interaction")
    return [
        Target(name, label, group, (name.replace("_", " "),), required=name in REQUIRED)
        for name, label in {
            "network": _("Network"),
            "account": _("Our page, mailbox or number"),
            "external_id": _("Its id"),
            "direction": _("inbound or outbound"),
            "occurred_at": _("When"),
            "kind": _("Kind"),
            "text": _("Text"),
            "subject": _("Subject"),
            "thread_id": _("Thread"),
            "in_reply_to": _("Answers the id"),
            "public": _("Public"),
            "rating": _("Rating"),
            "staff_name": _("Who of us wrote it"),
            "author": _("Author, as an object"),
            "author_id": _("Author's id"),
            "author_handle": _("Author's handle"),
            "author_name": _("Author's name"),
        }.items()
    ]


def _key_of(values: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(values.get(name, "")).strip() for name in ("network", "account", "external_id"))


def store_rows(rows: Sequence[Row], options: dict[str, Any]) -> PageResult:
    """Store one page of rows, account by account in the order in which they first appear."""
    result = PageResult()
    by_account: dict[tuple[str, str], list[tuple[Row, Event]]] = {}
    for row in rows:
        try:
            place = (_word(row, "network", 30), _word(row, "account", 200))
            by_account.setdefault(place, []).append((row, event_of(row.values)))
        except BadRow as error:
            result.rejected.append((row.number, str(error)))
    accounts = _accounts(list(by_account))
    for place in sorted(by_account, key=lambda place: accounts[place].pk):
        found = by_account[place]
        answer = ingest(accounts[place], [event for _, event in found], live=bool(options.get("live", False)))
        for position, outcome in enumerate(answer.outcomes):
            if outcome == Outcome.REJECTED:
                result.rejected.append((found[position][0].number, answer.reasons[position]))
            else:
                row, event = found[position]
                result.note(row.number, Stored(outcome, answer.ids.get(event.external_id)))
    return result


def _accounts(places: Sequence[tuple[str, str]]) -> dict[tuple[str, str], ChannelAccount]:
    team = Team.general()
    ChannelAccount.objects.bulk_create(
        [
            ChannelAccount(connector="api", network=network, external_id=name, name=name[:160], team=team)
            for network, name in sorted(places)
        ],
        ignore_conflicts=True,
    )
    networks, names = {place[0] for place in places}, {place[1] for place in places}
    found = ChannelAccount.objects.filter(connector="api", network__in=networks, external_id__in=names)
    return {(account.network, account.external_id): account for account in found}


def event_of(values: dict[str, Any]) -> Event:
    """The event that one line of a file, or one item of the API, describes. Raises BadRow."""
    try:
        occurred_at = parse_when(str(values["occurred_at"]))
    except ValueError as error:
        raise BadRow(f"occurred_at: {error}") from error
    thread = _text(values, "thread_id")
    return Event(
        external_id=_text(values, "external_id"),
        kind=_text(values, "kind") or "message",
        direction=_text(values, "direction"),
        occurred_at=occurred_at,
        text=_text(values, "text"),
        thread_keys=(thread,) if thread else (),
        author=_author(values),
        public=_flag(values.get("public")),
        subject=_text(values, "subject"),
        in_reply_to=_text(values, "in_reply_to"),
        staff_name=_text(values, "staff_name"),
        rating=_rating(values.get("rating")),
    )


def _author(values: dict[str, Any]) -> Author | None:
    """Of JSON an object `author`; of CSV the columns author_id, author_handle, author_name."""
    author = values.get("author")
    if author is None and values.get("author_id"):
        author = {
            "external_id": values["author_id"],
            "handle": values.get("author_handle", ""),
            "name": values.get("author_name", ""),
        }
    if author is None:
        return None
    if not isinstance(author, dict) or not author.get("external_id"):
        raise BadRow("author needs an external_id")
    return Author(
        external_id=str(author["external_id"]),
        handle=str(author.get("handle") or ""),
        name=str(author.get("name") or ""),
        network=str(author.get("network") or ""),
        issuer=str(author.get("issuer") or ""),
        facts={key: author[key] for key in ("language", "country", "city", "birth_year") if author.get(key)},
    )


def _text(values: dict[str, Any], name: str) -> str:
    value = values.get(name)
    if value is None:
        return ""
    if isinstance(value, (dict, list)):
        raise BadRow(f"{name} must be text")
    return str(value)


def _word(row: Row, name: str, limit: int) -> str:
    word = clean_text(_text(row.values, name)).strip()
    if not 1 <= len(word) <= limit:
        raise BadRow(f"{name} must have 1 to {limit} characters")
    return word.lower() if name == "network" else word


def _flag(value: Any) -> bool:
    return value is True or str(value).strip().lower() in _TRUE


def _rating(value: Any) -> int | None:
    if value in (None, ""):
        return None
    try:
        return int(value)
    except (TypeError, ValueError) as error:
        raise BadRow(f"rating {str(value)[:20]!r} is not a whole number") from error
