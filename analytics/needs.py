"""What needs somebody today, the worst first; a fixed number of statements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from core.models import Job, JobState
from core.paging import capped_count
from engagement.models import ChannelAccount, Conversation, Delivery, Health
from personas.models import Segment


@dataclass(frozen=True)
class Need:
    """One line of the list: what, the detail, where to go, and how urgent (bad, warn, good)."""

    text: str
    detail: str
    url: str
    action: str
    icon: str
    level: str = "warn"


def needs(user: Any, topics: Sequence[dict[str, Any]]) -> list[Need]:
    """At most six lines of what this reader may do something about."""
    found = [*_overdue(user), *_unsent(user), *_accounts(user), *_rising(topics), *_broken()]
    return found[:6]


def _link(name: str, query: str = "") -> str:
    try:
        return reverse(name) + query
    except NoReverseMatch:
        return ""


def _overdue(user: Any) -> list[Need]:
    late = Conversation.objects.visible_to(user).overdue()
    count = capped_count(late)
    if not count:
        return []
    oldest = late.select_related("customer").order_by("due_at").first()
    who = str(oldest.customer or _("Somebody")) if oldest else ""
    return [
        Need(
            _("%(count)s conversations are late") % {"count": count},
            _("%(who)s has waited longest") % {"who": who},
            _link("engagement:inbox", "?view=overdue"),
            _("Open"),
            "alarm",
            "bad",
        )
    ]


def _unsent(user: Any) -> list[Need]:
    failed = Delivery.objects.filter(
        state="failed", conversation__in=Conversation.objects.visible_to(user).open()
    )
    count = failed.count()
    if not count:
        return []
    text = ngettext("%(n)d reply was not sent", "%(n)d replies were not sent", count) % {"n": count}
    return [
        Need(text, _("The network refused them"), _link("engagement:inbox"), _("Look"), "send-off", "bad")
    ]


def _accounts(user: Any) -> list[Need]:
    ill = ChannelAccount.objects.visible_to(user).active().exclude(health=Health.HEALTHY)[:3]
    return [
        Need(
            f"{account.name}: {account.get_health_display()}",
            account.health_text[:140],
            _link("engagement:channel-list"),
            _("Look"),
            "plug-x",
            "bad",
        )
        for account in ill
    ]


def _rising(topics: Sequence[dict[str, Any]]) -> list[Need]:
    rising = [topic for topic in topics if topic["is_rising"]][:2]
    return [
        Need(
            _("“%(topic)s” is spoken of more than twice as often") % {"topic": topic["topic"]},
            _("%(now)d times, %(before)d before; %(unhappy)d%% unhappy")
            % {"now": topic["count"].now, "before": topic["count"].before, "unhappy": topic["unhappy_share"]},
            _link("analytics:interaction-list", f"?topic={topic['topic']}"),
            _("Look"),
            "flame",
            "bad" if topic["unhappy_share"] > 40 else "warn",
        )
        for topic in rising
    ]


def _broken() -> list[Need]:
    parked = Job.objects.filter(state__in=[JobState.PARKED, JobState.FAILED]).order_by("-created_at").first()
    wrong = Segment.objects.exclude(error="").first()
    found = []
    if parked is not None:
        detail = (parked.error or "")[:140]
        found.append(
            Need(
                parked.title,
                detail,
                reverse("core:job-detail", args=[parked.pk]),
                _("Look"),
                "alert-triangle",
            )
        )
    if wrong is not None:
        text = _("The segment “%(name)s” could not be rebuilt") % {"name": wrong.name}
        found.append(
            Need(text, wrong.error[:140], _link("personas:segment-list"), _("Look"), "chart-circles")
        )
    return found
