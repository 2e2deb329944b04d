"""What this app tells customers about themselves: how often each side wrote."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Max, Min
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import formatting
from core.about_you import Line, Part
from core.about_you import register as register_part
from engagement.models import ContactLedger, Interaction
from engagement.replies import contacts_made

MOST = 1000


def register() -> None:
    """Register the part of this app."""
    register_part("said", Part(gettext_lazy("What was said"), _said, 40))


def _said(pk: int) -> Sequence[Line]:
    return [*_from_them(pk), *_from_us(pk)]


def _from_them(pk: int) -> list[Line]:
    theirs = Interaction.objects.present().filter(customer=pk, direction="inbound")
    span = theirs.aggregate(first=Min("occurred_at"), last=Max("occurred_at"))
    if span["first"] is None:
        return []
    count = theirs[: MOST + 1].count()
    said = {"count": formatting.capped(count, MOST), "first": _day(span["first"]), "last": _day(span["last"])}
    why = _("We keep what you write to answer you and to know what it was about.")
    return [Line(_("You wrote to us %(count)s times, from %(first)s to %(last)s.") % said, why)]


def _from_us(pk: int) -> list[Line]:
    count = ContactLedger.objects.filter(customer=pk)[: MOST + 1].count()
    if not count:
        return [Line(_("We have not written to you."))]
    said = {"count": formatting.capped(count, MOST), "month": formatting.number(contacts_made(pk))}
    why = _("Counted so that we do not write too often.")
    return [Line(_("We wrote to you %(count)s times, %(month)s of them in the last 30 days.") % said, why)]


def _day(at: datetime) -> str:
    return date_format(timezone.localtime(at), "DATE_FORMAT")
