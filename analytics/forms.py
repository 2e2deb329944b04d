"""What a reader may narrow the overview to."""

from __future__ import annotations

from datetime import date
from typing import Any

from django import forms
from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from analytics.figures import Filters
from analytics.periods import CHOICES, DEFAULT, Period
from core.text import clean_text
from personas.models import Persona


class OverviewForm(forms.Form):
    """Last day, period, network and persona of the overview; what is wrong falls back to everything."""

    until = forms.DateField(required=False)
    days = forms.TypedChoiceField(choices=CHOICES, coerce=int, required=False, empty_value=None)
    network = forms.CharField(max_length=30, required=False)
    persona = forms.ModelChoiceField(queryset=Persona.objects.all(), required=False)

    def filters(self, *, user: Any, today: date) -> Filters:
        """The filters of this request."""
        given = self.cleaned_data if self.is_valid() else getattr(self, "cleaned_data", {})
        persona = given.get("persona")
        return Filters(
            user=user,
            period=Period(min(given.get("until") or today, today), given.get("days") or DEFAULT),
            network=clean_text(given.get("network") or ""),
            persona=persona.pk if persona else None,
        )


class Mood(TextChoices):
    """Which interactions by sentiment."""

    HAPPY = "happy", _("Happy")
    UNHAPPY = "unhappy", _("Unhappy")


class RowsForm(forms.Form):
    """Which rows stand behind a figure."""

    first = forms.DateField(required=False)
    last = forms.DateField(required=False)
    network = forms.CharField(max_length=30, required=False)
    topic = forms.CharField(max_length=60, required=False)
    mood = forms.ChoiceField(choices=[("", _("Any")), *Mood.choices], required=False)
    persona = forms.ModelChoiceField(queryset=Persona.objects.all(), required=False)
    answered = forms.ChoiceField(
        choices=[("", _("Any")), ("late", _("Late or not yet")), ("in-time", _("In time"))], required=False
    )

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or self.cleaned_data
        first, last = given.get("first"), given.get("last")
        if first and last and first > last:
            raise forms.ValidationError(_("The first day comes after the last."))
        return given
