"""Filters and small widgets of the inbox: {% load inbox %}."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from django import template
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.html import conditional_escape, format_html, linebreaks, urlize
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from core import formatting
from crm.countries import country_name
from crm.profile import language_name
from engagement import acting
from engagement.channels import connector
from engagement.channels.base import Act
from engagement.flow import SHOWN_CHARACTERS, kind_of
from engagement.models import (
    ActRecord,
    Conversation,
    ConversationEvent,
    Delivery,
    DeliveryState,
    Interaction,
)
from engagement.outbox.words import why_waiting
from engagement.search import excerpt

register = template.Library()

SENT_ICONS = {
    DeliveryState.QUEUED: "clock-hour-4",
    DeliveryState.SENDING: "loader-2",
    DeliveryState.SENT: "check",
    DeliveryState.DELIVERED: "checks",
    DeliveryState.READ: "checks",
    DeliveryState.FAILED: "alert-circle",
    DeliveryState.UNCERTAIN: "help-circle",
}
EVENT_ICONS = {
    "assigned": "user-check",
    "unassigned": "user-off",
    "resolved": "check",
    "reopened": "rotate",
    "snoozed": "zzz",
    "tagged": "tag",
    "untagged": "tag-off",
    "priority": "flag",
    "team": "users-group",
    "started": "pencil-plus",
}
KIND_ICONS = {"call": "phone", "visit": "building-store", "survey": "clipboard-list", "review": "star"}
SPACES = re.compile(r"\n{3,}")


# Who


@register.filter
def whose(conversation: Conversation) -> str:
    """The name of its customer, else the handle, else a word that says nobody is known."""
    if conversation.customer is not None:
        return str(conversation.customer)
    return str(conversation.identity) if conversation.identity else _("Unknown")


@register.filter
def excerpt_of(interaction: Interaction, text: str) -> str:
    """The words around what was searched for."""
    return excerpt(f"{interaction.subject} {interaction.text}".strip(), text, width=240)


@register.filter
def is_ours(interaction: Interaction) -> bool:
    """Whether we said it."""
    return interaction.direction == "outbound"


@register.filter
def author_name(interaction: Interaction) -> str:
    """Who wrote it, as people call them."""
    if interaction.direction != "inbound":
        return interaction.staff_name or interaction.account.name
    identity = interaction.identity
    return (identity.name or str(identity)) if identity else _("Unknown")


@register.filter
def author_of(interaction: Interaction) -> Any:
    """What the avatar is drawn from."""
    if interaction.direction != "inbound":
        return interaction.staff or author_name(interaction)
    return interaction.identity or author_name(interaction)


@register.filter
def form_of(interaction: Interaction) -> str:
    """note, public or message."""
    return kind_of(interaction)


@register.filter
def place_of(customer: Any) -> str:
    """Where somebody is, what time it is there, and what they speak."""
    parts = [", ".join(part for part in (customer.city, country_name(customer.country)) if part)]
    if customer.zone:
        parts.append(_there(customer.zone))
    parts.append(language_name(customer.language))
    return " · ".join(part for part in parts if part) or _("Nothing more is known yet")


def _there(zone: str) -> str:
    from zoneinfo import ZoneInfo

    try:
        there = timezone.now().astimezone(ZoneInfo(zone))
    except (KeyError, ValueError, OSError):
        return ""
    return _("%(time)s there") % {"time": date_format(there, "H:i")}


@register.filter
def at(found: Mapping[Any, Any] | None, key: Any) -> Any:
    """The value of a mapping at a key, an empty list where there is none."""
    return (found or {}).get(key, [])


@register.filter
def among(value: Any, held: Container[Any]) -> bool:
    """Whether a value is one of these."""
    return value in held


# When


@register.filter
def day_label(day: date) -> str:
    """Today, Yesterday, Wednesday 18 November, Monday 3 June 2024."""
    today = timezone.localdate()
    if day == today:
        return _("Today")
    if day == today - timedelta(days=1):
        return _("Yesterday")
    return date_format(day, "l j F" if day.year == today.year else "l j F Y")


@register.simple_tag
def clock_time(moment: datetime) -> SafeString:
    """{% clock_time interaction.occurred_at %}: hours and minutes, the whole moment on hover."""
    local = timezone.localtime(moment)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        moment.isoformat(),
        formatting.moment(moment),
        date_format(local, "H:i"),
    )


@register.filter
def soonest(moment: datetime | None) -> str:
    """A time to come, as short as a pill wants it: 14:30, Mon 09:00, 3 Dec."""
    if moment is None:
        return ""
    local, now = timezone.localtime(moment), timezone.localtime()
    if local.date() == now.date():
        return date_format(local, "H:i")
    return date_format(local, "D H:i" if (local.date() - now.date()).days < 7 else "j M")


@register.filter
def time_left(moment: datetime) -> str:
    """How long until then."""
    return formatting.duration(max(0.0, (moment - timezone.now()).total_seconds()))


@register.simple_tag
def first_answer(conversation: Conversation) -> str:
    """How long the customer waited for the first answer."""
    begun, answered = conversation.first_inbound_at, conversation.first_answered_at
    if begun is None or answered is None:
        return ""
    return _("after %(time)s") % {"time": formatting.duration((answered - begun).total_seconds())}


# What


@register.simple_tag
def said(interaction: Interaction) -> SafeString:
    """The words of a message, its links alive, very long ones cut."""
    text = SPACES.sub("\n\n", interaction.text[:SHOWN_CHARACTERS].strip())
    if not text:
        return (
            format_html('<p class="r-muted">{}</p>', _("No text")) if _is_empty(interaction) else SafeString()
        )
    return mark_safe(linebreaks(urlize(text, nofollow=True, autoescape=True)))  # noqa: S308 -- escaped by urlize


def _is_empty(interaction: Interaction) -> bool:
    return not interaction.attachments.all()


@register.filter
def is_long(interaction: Interaction) -> bool:
    """Whether more was said than is shown."""
    return len(interaction.text) > SHOWN_CHARACTERS


@register.filter
def shows_subject(interaction: Interaction) -> bool:
    """A review's title belongs to its words; a mail's subject stands above the conversation."""
    return interaction.kind != "message"


@register.simple_tag
def note_text(interaction: Interaction) -> SafeString:
    """A note's words with everybody it calls marked."""
    html = said(interaction)
    names = [name for mention in interaction.mentions.all() for name in _names(mention.user)]
    if not names:
        return html
    longest_first = sorted({str(conditional_escape(name)) for name in names}, key=len, reverse=True)
    pattern = re.compile("@(?:" + "|".join(re.escape(name) for name in longest_first) + r")\b", re.IGNORECASE)
    return mark_safe(pattern.sub(lambda match: f'<span class="r-at">{match[0]}</span>', html))  # noqa: S308


def _names(user: Any) -> Iterable[str]:
    return (user.display_name, user.get_short_name())


@register.filter
def kind_icon(kind: str) -> str:
    """The icon of a sort of touch."""
    return KIND_ICONS.get(kind, "message-2")


@register.filter
def file_icon(content_type: str) -> str:
    """The icon of a sort of file."""
    main = content_type.partition("/")[0]
    if content_type == "application/pdf":
        return "file-type-pdf"
    return {"image": "photo", "video": "video", "audio": "volume", "text": "file-text"}.get(main, "file")


@register.filter
def newest_delivery(interaction: Interaction) -> Delivery | None:
    """The delivery that counts, of those that were read with the message, newest first."""
    found = list(interaction.deliveries.all())
    return found[0] if found else None


@register.simple_tag
def why_waits(delivery: Delivery, interaction: Interaction) -> str:
    """{% why_waits delivery interaction as why %}: why a queued message has not left, and until when."""
    return why_waiting(delivery, interaction.account)


@register.filter
def can_be_acted_on(interaction: Interaction) -> bool:
    """Whether its network lets us do anything to a line of this kind."""
    gone = interaction.deleted_at is not None or interaction.direction == "internal"
    return not gone and bool(connector(interaction.account.connector).acts)


@register.filter
def acts_to_show(interaction: Interaction) -> list[ActRecord]:
    """Acts on the line that wait or were not done, of those read with it."""
    return acting.shown(interaction.acts.all())


@register.filter
def is_liked(interaction: Interaction) -> bool:
    """Whether our like stands on it."""
    return acting.is_liked(interaction.acts.all())


@register.filter
def act_label(record: ActRecord) -> str:
    """What was asked for, as its menu says."""
    return str(acting.LABELS[Act(record.act)])


@register.filter
def act_verb(act: str) -> str:
    """The right that an act needs."""
    return acting.VERBS[Act(act)]


@register.simple_tag
def sent_state(state: str | None) -> SafeString | str:
    """{% sent_state row.sent_state %}: the icon and word of a delivery's state."""
    if not state:
        return ""
    known = DeliveryState(state)
    tone = " r-neg" if known == DeliveryState.FAILED else ""
    icon = SENT_ICONS[known] + ("" if known != DeliveryState.DELIVERED else " r-muted")
    return format_html(
        '<span class="r-foot{}"><i class="ti ti-{}" aria-hidden="true"></i>{}</span>', tone, icon, known.label
    )


@register.filter
def order_title(order: Any) -> str:
    """What was bought, else the order's number."""
    lines = list(order.lines.all())
    if not lines:
        return _("Order %(number)s") % {"number": order.number or order.external_id}
    first = sorted(lines, key=lambda line: line.position)[0].title
    return first if len(lines) == 1 else _("%(title)s and %(n)s more") % {"title": first, "n": len(lines) - 1}


# What happened


@register.filter
def event_icon(event: ConversationEvent) -> str:
    """The icon of something that was done."""
    return EVENT_ICONS.get(event.type, "point")


@register.filter
def event_text(event: ConversationEvent) -> str:
    """What was done, in words: Resolved by Amy."""
    who = event.actor.get_short_name() if event.actor else ""
    facts = {"who": who, "name": event.detail.get("name", ""), "before": event.detail.get("before", "")}
    if event.type == "snoozed":
        facts["name"] = soonest(parse_datetime(str(event.detail.get("until", ""))))
    return _sentence(event) % facts


def _sentence(event: ConversationEvent) -> str:
    if event.type == "reopened":
        return _reopened(event)
    if event.type == "assigned":
        return _assigned(event)
    return {
        "unassigned": _("Given back by %(who)s"),
        "resolved": _("Resolved by %(who)s"),
        "snoozed": _("Put off until %(name)s by %(who)s"),
        "tagged": _("Tagged “%(name)s” by %(who)s"),
        "untagged": _("Tag “%(name)s” taken off by %(who)s"),
        "priority": _("Priority %(name)s, set by %(who)s"),
        "team": _("Handed from %(before)s to %(name)s by %(who)s"),
        "started": _("Started by %(who)s"),
    }.get(event.type, event.type.replace("%", "").capitalize())


def _reopened(event: ConversationEvent) -> str:
    if event.actor:
        return _("Opened again by %(who)s")
    return _("Came back from its snooze") if event.detail.get("woke") else _("Opened again by a new message")


def _assigned(event: ConversationEvent) -> str:
    if event.actor and event.detail.get("to") == event.actor_id:
        return _("Taken by %(who)s")
    return _("Assigned to %(name)s by %(who)s") if event.actor else _("Assigned to %(name)s")
