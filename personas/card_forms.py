"""Forms of a persona's card: what people write on it, notes, links."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext_lazy as _

from personas.authoring import WORDS, checked_address, checked_words, note_state
from personas.models import Persona, PersonaNote
from personas.sharing import DAYS

ICONS = (
    ("ti-user", _("Person")),
    ("ti-droplet", _("Drop")),
    ("ti-leaf", _("Leaf")),
    ("ti-heart", _("Heart")),
    ("ti-star", _("Star")),
    ("ti-bolt", _("Bolt")),
    ("ti-flame", _("Flame")),
    ("ti-coffee", _("Cup")),
    ("ti-gift", _("Gift")),
    ("ti-shopping-bag", _("Bag")),
    ("ti-rocket", _("Rocket")),
    ("ti-message-circle", _("Speech")),
    ("ti-phone", _("Telephone")),
    ("ti-moon", _("Moon")),
    ("ti-sun", _("Sun")),
    ("ti-compass", _("Compass")),
    ("ti-hourglass", _("Hourglass")),
    ("ti-eye", _("Eye")),
    ("ti-tool", _("Tool")),
    ("ti-home", _("House")),
)


class CardForm(forms.ModelForm):
    """The parts of a card that nobody can compute. `seen` tells which state of the card was opened."""

    seen = forms.IntegerField(min_value=0, widget=forms.HiddenInput)

    class Meta:
        model = Persona
        fields = WORDS
        labels: ClassVar = {
            "summary": _("Who they are, in two sentences"),
            "goals": _("What they want"),
            "motivations": _("What moves them"),
            "pains": _("What hurts, besides what is measured"),
            "how_to_speak": _("How to speak to them"),
            "rank": _("Place in the list"),
        }
        help_texts: ClassVar = {
            "goals": _("One goal a line"),
            "motivations": _("One a line"),
            "pains": _("One a line"),
            "how_to_speak": _("One advice a line; begin a line with - for what to avoid"),
            "rank": _("The smallest number first"),
        }
        widgets: ClassVar = {
            "icon": forms.Select,
            "summary": forms.Textarea(attrs={"rows": 3, "maxlength": 600}),
            "goals": forms.Textarea(attrs={"rows": 4}),
            "motivations": forms.Textarea(attrs={"rows": 4}),
            "pains": forms.Textarea(attrs={"rows": 4}),
            "how_to_speak": forms.Textarea(attrs={"rows": 6}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = dict(ICONS)
        own = [] if self.instance.icon in known else [(self.instance.icon, _("As it is"))]
        self.fields["icon"] = forms.ChoiceField(choices=[*own, *ICONS], label=_("Picture"))
        self.initial.setdefault("seen", self.instance.edits)

    def clean(self) -> dict[str, Any]:
        """The same limits that every door keeps."""
        found: dict[str, Any] = super().clean() or {}
        return found | checked_words({name: found[name] for name in WORDS if name in found})

    def words(self) -> dict[str, Any]:
        """What `edit_persona` writes."""
        return {name: self.cleaned_data[name] for name in WORDS}


class NoteForm(forms.ModelForm):
    """A note of research, or an assumption where no source is named. `seen` tells which state was opened."""

    seen = forms.CharField(required=False, max_length=40, widget=forms.HiddenInput)

    class Meta:
        model = PersonaNote
        fields = ("text", "source", "source_url")
        labels: ClassVar = {
            "text": _("What was found, or is assumed"),
            "source": _("Where it comes from"),
            "source_url": _("Its address"),
        }
        help_texts: ClassVar = {
            "source": _("Such as: six interviews, May 2026. Left empty, it is marked as assumed."),
        }
        widgets: ClassVar = {
            "text": forms.Textarea(attrs={"rows": 2, "maxlength": 500}),
            "source_url": forms.URLInput(attrs={"placeholder": "https://"}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["seen"] = note_state(self.instance)

    def clean(self) -> dict[str, Any]:
        """Only what a browser opens as a page is the address of a source."""
        found: dict[str, Any] = super().clean() or {}
        checked_address(found.get("source_url", ""))
        return found


class ShareForm(forms.Form):
    """For whom a link is, and how long it lives."""

    label = forms.CharField(
        max_length=120,
        required=False,
        label=_("For whom"),
        help_text=_("Only you and your colleagues see it"),
    )
    days = forms.TypedChoiceField(
        choices=list(zip(DAYS, (_("7 days"), _("30 days"), _("90 days")), strict=True)),
        coerce=int,
        initial=30,
        label=_("It opens for"),
    )
