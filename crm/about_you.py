"""What this app tells customers about themselves: their record, their handles, orders and stage."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.conf.locale import LANG_INFO
from django.db.models import Count, Max, Min
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import formatting, networks
from core.about_you import Line, Part
from core.about_you import register as register_part
from crm import facts
from crm.models import Customer, CustomField, Order, StageChange
from crm.preferences.choices import masked

LABELS = {
    "name": gettext_lazy("Name"),
    "language": gettext_lazy("Language"),
    "country": gettext_lazy("Country"),
    "city": gettext_lazy("Place"),
    "zone": gettext_lazy("Time zone"),
    "birth_year": gettext_lazy("Year of birth"),
    "job": gettext_lazy("Works as"),
    "profession": gettext_lazy("Field of work"),
    "company": gettext_lazy("Works at"),
    "interests": gettext_lazy("Interests"),
}
"""Fields of the record that somebody reads about themselves; what staff note for each other is not one."""
STAGES = {
    "awareness": gettext_lazy("You have heard of us."),
    "consideration": gettext_lazy("You are thinking about something of ours."),
    "purchase": gettext_lazy("You bought something."),
    "retention": gettext_lazy("You came back."),
    "advocacy": gettext_lazy("You recommend us."),
}


def register() -> None:
    """Register the parts of this app."""
    nothing = gettext_lazy("Nothing but how you can be reached.")
    register_part("record", Part(gettext_lazy("About you"), _record, 10, nothing))
    register_part("handles", Part(gettext_lazy("How we reach you"), _handles, 20))
    register_part("orders", Part(gettext_lazy("What you bought"), _orders, 30))
    register_part("stage", Part(gettext_lazy("Where we think you stand"), _stage, 50))


def _record(pk: int) -> Sequence[Line]:
    customer = Customer.objects.get(pk=pk)
    own = CustomField.objects.filter(is_archived=False).values_list("key", "label")
    labels = {**LABELS, **{f"{facts.CUSTOM}{key}": label for key, label in own}}
    known = [(name, label, facts.value_of(customer, name)) for name, label in labels.items()]
    known = [(name, label, _in_words(name, value)) for name, label, value in known]
    return [
        Line(f"{label}: {_written(value)}", _from_where(customer.origins.get(name)))
        for name, label, value in known
        if value not in facts.EMPTY
    ]


def _in_words(name: str, value: Any) -> Any:
    if name == "language" and value in LANG_INFO:
        return LANG_INFO[value].get("name_local", value)
    return value


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return ", ".join(value) if isinstance(value, list) else str(value)


def _from_where(origin: Any) -> str:
    """Who said so and when; staff are one, whoever of them it was."""
    if not origin:
        return ""
    at = _day(datetime.fromisoformat(origin["at"]))
    if origin["source"] == facts.CUSTOMER:
        return _("You told us on %(at)s.") % {"at": at}
    if origin["source"] == facts.STAFF:
        return _("Written down by one of us on %(at)s.") % {"at": at}
    return _("From %(source)s on %(at)s.") % {"source": origin["source"], "at": at}


def _handles(pk: int) -> Sequence[Line]:
    mine = Customer.objects.get(pk=pk).identities.order_by("pk")
    return [
        Line(
            f"{networks.get(one.network).label}: {masked(one)}",
            _("Known since %(at)s.") % {"at": _day(one.created_at)},
        )
        for one in mine
    ]


def _orders(pk: int) -> Sequence[Line]:
    paid = Order.objects.paid().filter(customer=pk)
    found = paid.aggregate(count=Count("pk"), first=Min("placed_at"), last=Max("placed_at"))
    if not found["count"]:
        return []
    if found["count"] == 1:
        return [Line(_("One order, on %(at)s.") % {"at": _day(found["first"])})]
    said = {
        "count": formatting.number(found["count"]),
        "first": _day(found["first"]),
        "last": _day(found["last"]),
    }
    return [Line(_("%(count)s orders, the first on %(first)s, the last on %(last)s.") % said)]


def _stage(pk: int) -> Sequence[Line]:
    customer = Customer.objects.get(pk=pk)
    newest = StageChange.objects.filter(customer=pk).order_by("-at", "-pk").first()
    why = _("Since %(at)s, by what you did with us.") % {"at": _day(newest.at)} if newest else ""
    return [Line(str(STAGES[customer.stage]), why)]


def _day(at: datetime) -> str:
    return date_format(timezone.localtime(at), "DATE_FORMAT")
