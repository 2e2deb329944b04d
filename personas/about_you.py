"""What this app tells customers about themselves: persona, segments and predictions, each with its reason."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from core import networks
from core.about_you import Line, Part
from core.about_you import register as register_part
from core.conditions import RuleInvalid, fieldset, sentence
from core.formatting import number, percent
from personas.building import customer_rule
from personas.models import PersonaMembership, Prediction, Segment, SegmentMembership

LIKELY, UNLIKELY = 0.7, 0.3


def register() -> None:
    """Register the parts of this app."""
    register_part("persona", Part(gettext_lazy("The group you are most like"), _persona, 60))
    register_part("segments", Part(gettext_lazy("Lists you are on"), _segments, 70))
    register_part("predictions", Part(gettext_lazy("What we expect"), _predictions, 80))


def _persona(pk: int) -> Sequence[Line]:
    found = PersonaMembership.objects.filter(customer=pk).select_related("persona").first()
    if found is None:
        return []
    said = {"name": found.persona.name, "fit": percent(found.confidence)}
    reasons = "; ".join(str(reason) for reason in found.reasons)
    why = _("Because: %(reasons)s. Computed from what you bought and wrote, by no human.")
    text = _("“%(name)s”, and you fit it by %(fit)s.") % said
    return [Line(text, why % {"reasons": reasons} if reasons else "")]


def _segments(pk: int) -> Sequence[Line]:
    memberships = SegmentMembership.objects.filter(customer=pk).select_related("segment")
    return [Line(f"“{one.segment.name}”", _why(one.segment)) for one in memberships.order_by("-since")[:30]]


def _why(segment: Segment) -> str:
    """The rule in words; nothing of it where it cannot be said any more, or names one of us."""
    try:
        rule = sentence(customer_rule(segment.rule), fieldset("customer"))
    except RuleInvalid:
        return ""
    if any(name and name in rule for name in User.objects.values_list("name", flat=True)):
        return ""
    return _("Because: %(rule)s") % {"rule": rule}


def _predictions(pk: int) -> Sequence[Line]:
    found = Prediction.objects.filter(customer=pk).first()
    if found is None:
        return []
    lines = []
    if found.active_probability is not None:
        chance = {"chance": percent(found.active_probability)}
        why = _("Estimated from when you ordered; %(chance)s.") % chance
        lines.append(Line(_coming_back(found.active_probability), why))
    if found.next_category:
        chance = {"chance": percent(found.next_category_share)}
        why = _("From what others bought after the same things; %(chance)s.") % chance
        lines.append(Line(_("What you may buy next: %(what)s.") % {"what": found.next_category}, why))
    if found.survey_probability is not None:
        chance = {"chance": percent(found.survey_probability)}
        why = _("From the surveys you were asked to answer before.")
        lines.append(Line(_("You would answer a survey with a chance of %(chance)s.") % chance, why))
    if found.best_network:
        base = {"n": number(found.base)}
        why = _("From how you answered %(n)s messages of ours.") % base if found.base else ""
        network = networks.get(found.best_network).label
        lines.append(Line(_("You like best to be reached by %(network)s.") % {"network": network}, why))
    if found.best_hour is not None:
        lines.append(Line(_("You read us mostly around %(hour)s o'clock.") % {"hour": found.best_hour}))
    return lines


def _coming_back(chance: float) -> str:
    if chance >= LIKELY:
        return _("You will probably order again.")
    if chance <= UNLIKELY:
        return _("You will probably not order again.")
    return _("We cannot tell whether you will order again.")
