"""What somebody asks of the reach planner."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from core.models import Workspace
from personas.models import Persona, Segment
from personas.reach.planning import (
    MOST_AHEAD,
    MOST_DAYS,
    MOST_MESSAGES,
    MOST_POSTS,
    PER_PERSON,
    Ask,
    audience_of,
    next_month,
)
from personas.spend_forms import day_input

POSTS = 12


def _audiences() -> list[Any]:
    personas = Persona.objects.filter(is_active=True).order_by("rank", "pk").values_list("pk", "name")
    segments = Segment.objects.order_by("name").values_list("pk", "name")[:500]
    return [
        ("", _("Choose")),
        (_("Personas"), [(f"persona-{pk}", name) for pk, name in personas]),
        (_("Segments"), [(f"segment-{pk}", name) for pk, name in segments]),
    ]


class PlanForm(forms.Form):
    """For whom, when, and how much. Without days it is the next month."""

    audience = forms.ChoiceField(choices=_audiences, label=_("For whom"))
    first = forms.DateField(widget=day_input(), label=_("First day"))
    last = forms.DateField(widget=day_input(), label=_("Last day"))
    posts = forms.IntegerField(min_value=0, max_value=MOST_POSTS, label=_("Posts"))
    messages = forms.IntegerField(
        min_value=0,
        max_value=MOST_MESSAGES,
        label=_("Messages"),
        help_text=_("To single people, those who said yes to news and offers alone"),
    )
    per_person = forms.IntegerField(
        min_value=1,
        max_value=30,
        label=_("At most for each person"),
        help_text=_("Messages in 30 days, those already sent with them"),
    )
    name = forms.CharField(max_length=120, required=False, label=_("Name of the plan"))

    @classmethod
    def starting(cls, asked: Any) -> PlanForm:
        """The form with what the address says, and for the rest what most plans want."""
        first, last = next_month(Workspace.current().today())
        usual = {"first": first, "last": last, "posts": POSTS, "messages": 0, "per_person": PER_PERSON}
        if not asked.get("audience"):
            return cls(initial=usual)
        values = {name: str(value) for name, value in usual.items()}
        return cls({**values, **{name: asked[name] for name in cls.base_fields if asked.get(name)}})

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        first, last = values.get("first"), values.get("last")
        if first and last and not 0 <= (last - first).days < MOST_DAYS:
            words = _("A plan has 1 to %(most)s days, the first before the last.")
            self.add_error("last", ValidationError(words, params={"most": MOST_DAYS}))
        if first and first < Workspace.current().today() - timedelta(days=MOST_DAYS):
            self.add_error("first", _("This is too long ago to plan for."))
        if last and last > Workspace.current().today() + timedelta(days=MOST_AHEAD):
            self.add_error("last", _("This is too far ahead to plan for."))
        if not values.get("posts") and not values.get("messages") and not self.errors:
            self.add_error("posts", _("Ask for at least one post or message."))
        if values.get("audience"):
            self._find(values["audience"])
        return values

    def _find(self, asked: str) -> None:
        """Whom it is for; somebody may delete a segment while the form is open."""
        kind, _dash, pk = asked.partition("-")
        persona = Persona.objects.filter(pk=pk).first() if kind == "persona" else None
        segment = Segment.objects.filter(pk=pk).first() if kind == "segment" else None
        if persona is None and segment is None:
            self.add_error("audience", _("This is gone. Choose another one."))
        else:
            self.reached = audience_of(persona, segment)

    def ask(self) -> Ask:
        """What the planner takes; the form is valid."""
        values = self.cleaned_data
        return Ask(
            self.reached,
            values["first"],
            values["last"],
            values["posts"],
            values["messages"],
            values["per_person"],
        )
