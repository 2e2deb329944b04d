"""Personas that people make from a segment: they come before computed ones, in the order of the marketer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.permissions import check
from accounts.services import record_audit
from core.events import emit
from core.jobs import JobIsOpen, Progress, start_job
from core.models import Job, Workspace
from personas.authoring import check_name
from personas.building import asking_about
from personas.memberships import PERSONA, follow_segments
from personas.models import Persona, Segment
from personas.nightly import Run, register_step

KIND = "personas.follow"
ORDER = 45


@transaction.atomic
def make_persona(
    *,
    segment: Segment,
    name: str,
    icon: str = "ti-star",
    tone: int = 1,
    summary: str = "",
    place: str = "last",
    by: User | None = None,
) -> Persona:
    """A persona that a segment's members belong to; `place` among those made by hand is first or last.

    Its members come with `start_following`. Raises ValidationError.
    """
    _allow(by)
    # Held, so that it is neither deleted nor made a persona twice meanwhile.
    if not Segment.objects.select_for_update().filter(pk=segment.pk).exists():
        raise ValidationError(_("This segment is gone. Choose another one."))
    if segment.pk in asking_about(PERSONA):
        raise ValidationError(
            _(
                "The rule of this segment asks about personas: whoever joined the persona could leave the "
                "segment by that. Choose a segment that asks about something else."
            )
        )
    if Persona.objects.filter(segment=segment, is_active=True).exists():
        raise ValidationError(_("There is a persona of this segment already."))
    made = list(Persona.objects.select_for_update().filter(segment__isnull=False, is_active=True).in_order())
    persona = Persona.objects.create(
        name=_free_name(name),
        icon=icon,
        tone=tone,
        rank=made[-1].rank + 1 if made else 0,
        segment=segment,
        summary=summary.strip(),
        named_by_hand=True,
    )
    if made and place == "first":
        order_personas(ids=[persona.pk, *(one.pk for one in made)], by=by)
    record_audit(by=by, verb="persona.made", target=persona, detail={"segment": segment.pk})
    emit("persona.changed", channels=["staff"], persona=persona.pk)
    return persona


@transaction.atomic
def retire_persona(*, persona: Persona, by: User | None = None) -> None:
    """Its members fall back to what is computed for them; its card and words are kept."""
    _allow(by)
    if persona.segment_id is None:
        raise ValidationError(_("Only a persona made by hand can be retired."))
    Persona.objects.filter(pk=persona.pk).update(is_active=False)
    record_audit(by=by, verb="persona.retired", target=persona)
    emit("persona.changed", channels=["staff"], persona=persona.pk)


@transaction.atomic
def order_personas(*, ids: Sequence[int], by: User | None = None) -> None:
    """Put personas made by hand in this order; whoever is in the segments of two belongs to the first.

    Raises ValidationError unless these are all of the active ones.
    """
    _allow(by)
    made = {
        one.pk: one
        for one in Persona.objects.select_for_update().filter(segment__isnull=False, is_active=True)
    }
    if sorted(ids) != sorted(made):
        raise ValidationError(_("Name every persona made by hand once."))
    for rank, pk in enumerate(ids):
        Persona.objects.filter(pk=pk).exclude(rank=rank).update(rank=rank)
    record_audit(by=by, verb="persona.ordered", detail={"personas": list(ids)})
    emit("persona.changed", channels=["staff"])


def move_persona(*, persona: Persona, up: bool, by: User | None = None) -> None:
    """One place up or down among those made by hand."""
    made = Persona.objects.filter(segment__isnull=False, is_active=True).order_by("rank", "pk")
    ids = list(made.values_list("pk", flat=True))
    if persona.pk not in ids:
        raise ValidationError(_("Only personas made by hand have an order of their own."))
    place = ids.index(persona.pk)
    other = max(0, place - 1) if up else min(len(ids) - 1, place + 1)
    ids[place], ids[other] = ids[other], ids[place]
    order_personas(ids=ids, by=by)


def _free_name(name: str) -> str:
    """The name without spaces around it. Raises ValidationError where an active persona has it."""
    name = name.strip()
    if not name or len(name) > 120:
        raise ValidationError({"name": _("Give the persona a name of at most 120 characters.")})
    check_name(name)
    return name


def _allow(by: User | None) -> None:
    """Staff need the verb; the program itself passes nobody."""
    if by is not None:
        check(by, "persona.edit")


# Keeping them current


def start_following(*, by: User | None = None) -> Job | None:
    """Bring their members in line with the segments, in a job; None where one waits that will do it."""
    try:
        return start_job(KIND, "Fill personas made by hand", by=by, exclusive=KIND)
    except JobIsOpen:
        return None


def run_follow(progress: Progress) -> dict[str, Any]:
    """The job of `start_following`; cards follow, so that a new persona can be read at once."""
    from personas.cards import refresh_cards

    workspace, now = Workspace.current(), timezone.now()
    progress.beat(0, 2, phase="members")
    done = follow_segments(now)
    progress.beat(1, 2, phase="cards")
    refresh_cards(today=workspace.today(), zone=workspace.zone, now=now, everything=True)
    return done


def follow(run: Run) -> dict[str, Any]:
    """The step of the rebuild between segments and cards."""
    done = follow_segments(run.moment.now)
    if done["written"]:
        run.save(changed=True)
    return done


def register() -> None:
    """The step of the rebuild; called once, when the app is ready."""
    register_step("by hand", follow, ORDER)
