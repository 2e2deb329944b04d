"""What a customer asks for on their own page: another language, a copy, erasure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from django.conf.locale import LANG_INFO
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _

from accounts.services import record_audit
from core.events import emit
from core.models import Workspace
from crm import facts
from crm.models import Customer, CustomerTouch, Identity, Task
from crm.trees import hold_root

COPY, ERASURE = "copy", "erasure"
DUE = timedelta(days=14)
"""So long staff have, so that the month that the law gives is kept with time to spare."""
PROMISED = timedelta(days=30)


@dataclass(frozen=True)
class Asked:
    """What was asked, and by when it is done. `again` says that it stood there already."""

    until: date
    again: bool


def languages() -> list[tuple[str, str]]:
    """(code, its own name) of the languages somebody can ask to be written to in, by name."""
    found = {
        code: info["name_local"]
        for code, info in LANG_INFO.items()
        if len(code) == 2 and "name_local" in info
    }
    named = [(code, name[:1].upper() + name[1:]) for code, name in found.items()]
    return sorted(named, key=lambda one: one[1])


@transaction.atomic
def choose_language(link: Identity, code: str) -> None:
    """Write to them in this language. Raises ValidationError for one that is not on the list."""
    if code not in dict(languages()):
        raise ValidationError(_("Choose one of the languages on the list."), code="invalid")
    customer = hold_root(link.customer_id)
    taken = facts.take(customer, {"language": code}, source=facts.CUSTOMER)
    if not taken.changed:
        return
    customer.save(update_fields=["language", "origins"])
    CustomerTouch.objects.create(customer=customer)
    detail = {"fields": ["language"], "source": facts.CUSTOMER}
    record_audit(by=None, verb="customer.updated", target=customer, name="", detail=detail)
    emit("customer.updated", channels=["staff"], customer=customer.pk, fields=["language"])


@transaction.atomic
def ask_staff(link: Identity, what: str) -> Asked:
    """Make what somebody asked for a task of staff; asked twice, it stays one task."""
    customer = hold_root(link.customer_id)
    title = _title(what)
    today = Workspace.current().today()
    known = Task.objects.filter(customer=customer, done_at=None, created_by=None, title=title).first()
    if known is not None:
        asked_on = Workspace.current().today(known.created_at)
        return Asked(asked_on + PROMISED, again=True)
    task = Task.objects.create(
        title=title,
        due_on=today + DUE,
        assignee_id=customer.owner_id,
        home_customer_id=customer.pk,
        customer=customer,
    )
    detail = {"what": what, "task": task.pk, "identity": link.pk}
    record_audit(by=None, verb="privacy.asked", target=customer, name="", detail=detail)
    emit("task.created", channels=["staff"], task=task.pk, customer=customer.pk)
    return Asked(today + PROMISED, again=False)


def open_wishes(customer: Customer) -> set[str]:
    """What this customer asked for and nobody has done yet."""
    titles = {_title(what): what for what in (COPY, ERASURE)}
    found = Task.objects.filter(customer=customer, done_at=None, created_by=None, title__in=titles)
    return {titles[title] for title in found.values_list("title", flat=True)}


def _title(what: str) -> str:
    """The task's title, in the language that staff share, whatever the page is read in."""
    with translation.override(None):
        titles = {
            COPY: _("They asked for a copy of everything about them"),
            ERASURE: _("They asked to be erased: confirm with them that it was them, then erase"),
        }
    return titles[what]
