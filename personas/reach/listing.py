"""A list by hand made of the prospects who are like a persona."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.permissions import check
from personas.models import Lookalike, Persona, Segment, SegmentKind
from personas.picking import MOST, pick_customers
from personas.segments import create_segment


@transaction.atomic
def list_lookalikes(*, persona: Persona, by: User) -> tuple[Segment, int]:
    """Make a segment of them, a list that stays as it is; how many are on it. Raises ValidationError."""
    check(by, "segment.edit")
    found = Lookalike.objects.filter(persona=persona).order_by("-typicality", "-customer_id")
    ids = list(found.values_list("customer_id", flat=True)[:MOST])
    if not ids:
        raise ValidationError(_("There is nobody to put on a list."), code="empty")
    segment = create_segment(
        name=_free_name(_("Like %(persona)s") % {"persona": persona.name}),
        description=_("Prospects nearest to the persona, without a purchase when the list was made"),
        kind=SegmentKind.LIST,
        by=by,
    )
    return segment, pick_customers(segment=segment, ids=ids, is_in=True, by=by)


def _free_name(name: str) -> str:
    """The name, numbered where a segment has it."""
    taken = set(Segment.objects.filter(name__startswith=name[:100]).values_list("name", flat=True))
    number, found = 1, name[:110]
    while found in taken:
        number += 1
        found = f"{name[:110]} {number}"
    return found
