"""Notes about customers: what staff wrote down at a moment, in the timeline and beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from accounts.permissions import check
from accounts.services import record_audit
from core import timeline
from core.events import emit
from core.text import clean_text
from core.timeline import Before, Entry, Filter
from crm.models import Customer, CustomerNote
from crm.trees import hold_unmerged

SOURCE, KIND = "customer_note", "note"
TEMPLATE = "crm/_timeline_note.html"
MAX_TEXT = 20_000


@transaction.atomic
def write_note(*, customer: Customer, text: str, by: User) -> CustomerNote:
    """Keep a note. Raises ValidationError for an empty one, or a customer merged away."""
    check(by, "note.write")
    customer = hold_unmerged(customer)
    note = CustomerNote.objects.create(
        text=_cleaned(text), author=by, customer=customer, home_customer=customer
    )
    _tell("note.written", note, by)
    return note


@transaction.atomic
def edit_note(*, note: CustomerNote, text: str, by: User) -> CustomerNote:
    """Change one's own note. Raises PermissionDenied for somebody else's."""
    note = _own(note, by)
    cleaned = _cleaned(text)
    if cleaned != note.text:
        note.text, note.edited_at = cleaned, timezone.now()
        note.save(update_fields=["text", "edited_at"])
        _tell("note.edited", note, by)
    return note


@transaction.atomic
def delete_note(*, note: CustomerNote, by: User) -> None:
    """Take back one's own note. Raises PermissionDenied for somebody else's."""
    note = _own(note, by)
    _tell("note.deleted", note, by)
    note.delete()


def _own(note: CustomerNote, by: User) -> CustomerNote:
    check(by, "note.write")
    found = CustomerNote.objects.select_for_update().get(pk=note.pk)
    if found.author_id != by.pk:
        raise PermissionDenied(_("A note is changed by whoever wrote it."))
    return found


def _cleaned(text: str) -> str:
    cleaned = clean_text(text, limit=MAX_TEXT).strip()
    if not cleaned:
        raise ValidationError({"text": ValidationError(_("Write something."), code="blank")})
    return cleaned


def _tell(verb: str, note: CustomerNote, by: User) -> None:
    """What was written stays out of the audit trail, which is never erased."""
    record_audit(by=by, verb=f"customer.{verb.replace('.', '_')}", target=note, name="")
    emit(verb, channels=["staff"], note=note.pk, customer=note.customer_id)


def panel(request: HttpRequest, customer: Customer) -> list[CustomerNote]:
    """The newest notes; older ones stand in the timeline."""
    return list(customer.notes.select_related("author").order_by("-at", "-pk")[:5])


def register() -> None:
    """Called once, when the app is ready."""
    timeline.register(SOURCE, fetch, kinds={KIND: gettext_lazy("Notes")})


def fetch(
    customer_ids: Sequence[int], user: Any, before: Before | None, wanted: Filter, limit: int
) -> Sequence[Entry]:
    """Notes about these customers, newest first, by the index (customer, at, id)."""
    if wanted.leaves_out(KIND) or wanted.network or wanted.visibility:
        return []
    rows = CustomerNote.objects.filter(customer_id__in=customer_ids).select_related("author", "customer")
    if wanted.text:
        rows = rows.filter(text__icontains=wanted.text)
    bound = timeline.is_older(SOURCE, before)
    if bound is not None:
        at, pk = bound
        rows = rows.filter(Q(at__lt=at) | Q(at=at, pk__lt=pk))
    newest = rows.order_by("-at", "-pk")[:limit]
    return [Entry(row.at, SOURCE, row.pk, KIND, TEMPLATE, row, "note") for row in newest]
