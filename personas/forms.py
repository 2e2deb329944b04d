"""What people write about personas."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext_lazy as _

from personas.models import Persona


class PersonaForm(forms.ModelForm):
    """Name and the parts of a card that nobody can compute."""

    class Meta:
        model = Persona
        fields = ("name", "summary", "goals", "how_to_speak", "rank")
        labels: ClassVar = {
            "summary": _("Who they are, in two sentences"),
            "goals": _("What they want"),
            "how_to_speak": _("How to speak to them"),
        }
        help_texts: ClassVar = {
            "goals": _("One goal a line"),
            "how_to_speak": _("One advice a line; begin a line with - for what to avoid"),
            "rank": _("Personas are listed by this number, the smallest first"),
        }
        widgets: ClassVar = {
            "summary": forms.Textarea(attrs={"rows": 3}),
            "goals": forms.Textarea(attrs={"rows": 4}),
            "how_to_speak": forms.Textarea(attrs={"rows": 4}),
        }

    def save(self, commit: bool = True) -> Any:
        """A name that somebody changed is theirs from then on."""
        if "name" in self.changed_data:
            self.instance.named_by_hand = True
        return super().save(commit)
