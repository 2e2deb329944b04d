"""The middle pane: what was said in a conversation and what was done with it, as one stream by day."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from django.core.exceptions import BadRequest
from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet, Subquery
from django.utils import timezone

from core.text import parse_when
from engagement.models import (
    ActRecord,
    Attachment,
    Conversation,
    ConversationEvent,
    Delivery,
    Interaction,
    MailContent,
    Mention,
)

LIMIT = 50
MAX_EVENTS = 200
SHOWN_CHARACTERS = 20_000


@dataclass
class Block:
    """A day's heading, one message, one event, or public lines that stand together in one frame."""

    kind: str
    day: date | None = None
    interaction: Interaction | None = None
    event: ConversationEvent | None = None
    lines: list[Interaction] = field(default_factory=list)


@dataclass(frozen=True)
class Flow:
    """A piece of the stream: its blocks, where the piece before it begins, and how far it reaches."""

    blocks: Sequence[Block]
    earlier: str = ""
    last_interaction: int = 0
    last_event: int = 0
    last_day: str = ""

    @property
    def reach(self) -> str:
        """What a page gives back to ask for all that came later."""
        return f"{self.last_interaction}-{self.last_event}"


def messages(user: Any = None) -> QuerySet[Interaction]:
    """Interactions with everything that a message in the thread shows; with a user, those they see."""
    mail = MailContent.objects.filter(interaction=OuterRef("pk"))
    return (
        (Interaction.objects.visible_to(user) if user else Interaction.objects.all())
        .select_related("staff", "identity", "post", "account")
        .annotate(
            has_html=Exists(mail.exclude(html="")),
            has_remote=Exists(mail.filter(html__contains=' data-src="')),
            quoted=Subquery(mail.values("quoted")[:1]),
        )
        .prefetch_related(
            Prefetch("attachments", Attachment.objects.order_by("pk")),
            Prefetch("deliveries", Delivery.objects.order_by("-pk")),
            Prefetch("acts", ActRecord.objects.select_related("staff").order_by("-pk")),
            Prefetch("mentions", Mention.objects.select_related("user")),
        )
    )


def newest(conversation: Conversation, *, before: str = "") -> Flow:
    """The newest lines, or those just before a point that an earlier piece named."""
    found = messages().filter(conversation=conversation)
    if before:
        at, pk = read_point(before)
        found = found.filter(Q(occurred_at__lt=at) | Q(occurred_at=at, pk__lt=pk))
    rows = list(found.order_by("-occurred_at", "-pk")[: LIMIT + 1])
    more, rows = len(rows) > LIMIT, rows[:LIMIT]
    rows.reverse()
    events = _events(conversation, since=rows[0].occurred_at if more else None, before=before)
    earlier = write_point(rows[0]) if more else ""
    return _flow(rows, events, earlier=earlier)


def since(conversation: Conversation, *, reach: str, day: str = "") -> Flow:
    """Lines and events that came after a piece reached so far; `day` is the last heading it showed."""
    interaction, event = _read_reach(reach)
    rows = messages().filter(conversation=conversation, pk__gt=interaction)
    events = ConversationEvent.objects.select_related("actor").filter(conversation=conversation, pk__gt=event)
    found = _flow(list(rows.order_by("pk")[:LIMIT]), list(events.order_by("pk")[:MAX_EVENTS]), after_day=day)
    last = (max(found.last_interaction, interaction), max(found.last_event, event))
    return Flow(found.blocks, "", last[0], last[1], found.last_day or day)


def write_point(interaction: Interaction) -> str:
    """A place in the thread, for a link."""
    return f"{interaction.occurred_at.isoformat()}_{interaction.pk}"


def read_point(value: str) -> tuple[datetime, int]:
    """Raises BadRequest for anything but what `write_point` wrote."""
    at, _sep, pk = value.rpartition("_")
    try:
        return parse_when(at), int(pk[:18])
    except ValueError as error:
        raise BadRequest("before is a place that the page gave.") from error


def _read_reach(value: str) -> tuple[int, int]:
    interaction, _sep, event = value.partition("-")
    if not (interaction.isdigit() and event.isdigit() and len(value) < 40):
        raise BadRequest("after is a place that the page gave.")
    return int(interaction), int(event)


def _events(conversation: Conversation, *, since: datetime | None, before: str) -> list[ConversationEvent]:
    found = ConversationEvent.objects.select_related("actor").filter(conversation=conversation)
    if since:
        found = found.filter(at__gte=since)
    if before:
        found = found.filter(at__lt=read_point(before)[0])
    return list(found.order_by("-at", "-pk")[:MAX_EVENTS])[::-1]


def _flow(
    rows: Sequence[Interaction],
    events: Sequence[ConversationEvent],
    *,
    earlier: str = "",
    after_day: str = "",
) -> Flow:
    stream: list[Any] = [*rows, *events]
    stream.sort(key=lambda one: (_at(one), isinstance(one, ConversationEvent), one.pk))
    blocks = _blocks(stream, after_day)
    return Flow(
        blocks,
        earlier,
        max((row.pk for row in rows), default=0),
        max((event.pk for event in events), default=0),
        _day(stream[-1]).isoformat() if stream else "",
    )


def _blocks(stream: Iterable[Any], after_day: str) -> list[Block]:
    blocks: list[Block] = []
    last_day = after_day
    for one in stream:
        day = _day(one)
        if day.isoformat() != last_day:
            blocks.append(Block("day", day=day))
            last_day = day.isoformat()
        blocks_add(blocks, one)
    return blocks


def blocks_add(blocks: list[Block], one: Interaction | ConversationEvent) -> None:
    """Append one line; public ones join the frame before them."""
    if isinstance(one, ConversationEvent):
        blocks.append(Block("event", event=one))
    elif not one.is_public:
        blocks.append(Block(kind_of(one), interaction=one))
    elif blocks and blocks[-1].kind == "public" and blocks[-1].lines[0].post_id == one.post_id:
        blocks[-1].lines.append(one)
    else:
        blocks.append(Block("public", lines=[one], interaction=one))


def kind_of(interaction: Interaction) -> str:
    """note, public or message: which form a line has."""
    if interaction.direction == "internal":
        return "note"
    return "public" if interaction.is_public else "message"


def _at(one: Interaction | ConversationEvent) -> datetime:
    return one.at if isinstance(one, ConversationEvent) else one.occurred_at


def _day(one: Interaction | ConversationEvent) -> date:
    return timezone.localtime(_at(one)).date()
