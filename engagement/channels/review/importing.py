"""Reviews from a file: every line names its site and page, whose accounts are made where they are new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from accounts.models import Team
from core.files import Row
from core.import_stores import take_by
from core.imports import Importer, PageResult, Stored, register
from core.mapping import Preset, Target, register_preset
from core.text import clean_text
from engagement.channels.base import Change, Direction, Event
from engagement.channels.review.events import (
    BadReview,
    answer_of,
    edited_at,
    id_of,
    review_of,
    text_of,
)
from engagement.channels.review.sites import network_of
from engagement.ingest import Outcome, ingest
from engagement.models import ChannelAccount, Interaction
from engagement.removing import undo_interactions
from engagement.repeats import Version, adapted, edits_of

KIND = "import_reviews"
CONNECTOR = "review"
REQUIRED = ("rating", "created_at")
Place = tuple[str, str]


def register_importer() -> None:
    """Make this kind of file known, and the exports whose columns are."""
    take = take_by(store_rows, required=REQUIRED, key_of=_key_of)
    register(
        Importer(KIND, "Reviews", REQUIRED, store_rows, targets=targets, take=take, undo=undo_interactions)
    )
    register_preset(GOOGLE_PLAY)


GOOGLE_PLAY = Preset(
    key="google_play_reviews",
    name="Google Play Console, reviews",
    kind=KIND,
    source="google_play",
    mapping={
        "Package Name": "place",
        "Star Rating": "rating",
        "Review Title": "title",
        "Review Text": "text",
        "Review Link": "review_id",
        "Review Submit Date and Time": "created_at",
        "Review Last Update Date and Time": "updated_at",
        "Reviewer Language": "language",
        "Developer Reply Text": "answer",
        "Developer Reply Date and Time": "answered_at",
    },
    signature=("Package Name", "Star Rating", "Review Submit Date and Time"),
)


def targets() -> list[Target]:
    """What the columns of a file of reviews may hold, with the words that exports use for it."""
    group = _("Review")
    return [
        Target(name, label, group, (name.replace("_", " "), *words), required=name in REQUIRED)
        for name, label, words in (
            ("review_id", _("Its id"), ("id", "reference", "review url")),
            ("site", _("Site"), ("source", "platform", "network")),
            ("place", _("Our page, place or app there"), ("account", "app", "location", "business unit")),
            ("rating", _("Rating"), ("stars", "star rating", "score")),
            ("scale", _("Highest rating, 5 or 10"), ("out of",)),
            ("title", _("Title"), ("review title", "headline")),
            ("text", _("Text"), ("review", "review text", "content", "comment", "body")),
            ("created_at", _("Written"), ("date", "created", "published", "review date")),
            ("updated_at", _("Changed last"), ("updated", "edited", "last updated")),
            ("author_id", _("Author's id"), ("user id", "reviewer id", "consumer id")),
            ("author_name", _("Author's name"), ("author", "reviewer", "user", "consumer name")),
            ("language", _("Language"), ("locale", "reviewer language")),
            ("country", _("Country"), ("territory",)),
            ("answer", _("Our answer there"), ("reply", "response", "developer reply text")),
            ("answered_at", _("Answered"), ("reply date", "response date")),
        )
    ]


def _key_of(values: Mapping[str, Any]) -> tuple[str, ...]:
    try:
        own = id_of(values)
    except BadReview:
        own = ""
    return (*(str(values.get(name, "")).strip() for name in ("site", "place")), own)


def store_rows(rows: Sequence[Row], options: dict[str, Any]) -> PageResult:
    """Store one page of rows, account by account in the order in which they first appear."""
    result = PageResult()
    by_place: dict[Place, list[tuple[Row, Version]]] = {}
    for row in rows:
        try:
            version = Version(review_of(row.values), edited_at(row.values))
            by_place.setdefault(_place(row.values, options), []).append((row, version))
        except BadReview as error:
            result.rejected.append((row.number, str(error)))
    accounts = _accounts(list(by_place))
    for place in sorted(by_place, key=lambda place: accounts[place].pk):
        _store(accounts[place], by_place[place], result, live=bool(options.get("live", False)))
    return result


def _place(row: Mapping[str, Any], options: Mapping[str, Any]) -> Place:
    """Network and page; a file of one site only may say so as the import's source."""
    network = network_of(text_of(row, "site") or str(options.get("source", "")))
    if not network or network == "import":
        raise BadReview("site is missing: google, trustpilot, app_store, google_play …")
    place = text_of(row, "place") or network
    if len(place) > 200:
        raise BadReview("place must have at most 200 characters")
    return network, place


def _accounts(places: Sequence[Place]) -> dict[Place, ChannelAccount]:
    team = Team.general()
    ChannelAccount.objects.bulk_create(
        [
            ChannelAccount(connector=CONNECTOR, network=network, external_id=name, name=name[:160], team=team)
            for network, name in sorted(places)
        ],
        ignore_conflicts=True,
    )
    networks, names = {place[0] for place in places}, {place[1] for place in places}
    found = ChannelAccount.objects.filter(connector=CONNECTOR, network__in=networks, external_id__in=names)
    return {(account.network, account.external_id): account for account in found}


def _store(
    account: ChannelAccount, found: Sequence[tuple[Row, Version]], result: PageResult, *, live: bool
) -> None:
    """The reviews, then what was edited since they were written, then our answers; told by the reviews."""
    # Ratings of a file are stars already: the account's own scale is that of pushes.
    account.settings = {**account.settings, "scale": "5"}
    versions = [version for _, version in found]
    items = adapted(account, versions)
    new = [version for version, item in zip(versions, items, strict=True) if isinstance(item, Event)]
    more: list[Event | Change] = [*edits_of(account, new), *_answers(account, [row for row, _ in found])]
    outcome = ingest(account, [*items, *more], live=live)
    for position, (row, version) in enumerate(found):
        told = outcome.outcomes[position]
        if told == Outcome.REJECTED:
            result.rejected.append((row.number, outcome.reasons[position]))
        else:
            result.note(row.number, Stored(told, outcome.ids.get(version.event.external_id)))


def _answers(account: ChannelAccount, rows: Sequence[Row]) -> list[Event | Change]:
    """Our answers as they stand there; one that was published from here by hand is known by its words."""
    found = [answer for row in rows if (answer := answer_of(row.values)) is not None]
    ours = Interaction.objects.filter(
        account=account, direction=Direction.OUTBOUND, in_reply_to__in=[one.in_reply_to for one in found]
    ).exclude(external_id__in=[one.external_id for one in found])
    known = set(ours.values_list("in_reply_to", "text"))
    new = [one for one in found if (one.in_reply_to, clean_text(one.text)) not in known]
    return adapted(account, [Version(answer) for answer in new])
