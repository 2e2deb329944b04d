"""What people enter to make a persona."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _


class PersonaMakeForm(forms.Form):
    """A persona made by hand from a segment."""

    name = forms.CharField(label=_("Name"), max_length=120)
    summary = forms.CharField(
        label=_("Who they are, in two sentences"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    icon = forms.ChoiceField(
        label=_("Icon"),
        initial="ti-star",
        choices=[
            ("ti-star", _("Star")), ("ti-heart", _("Heart")), ("ti-crown", _("Crown")),
            ("ti-gift", _("Gift")), ("ti-rocket", _("Rocket")), ("ti-building-store", _("Shop")),
            ("ti-school", _("School")), ("ti-home", _("Home")), ("ti-leaf", _("Leaf")),
            ("ti-coffee", _("Coffee")),
        ],
    )  # fmt: skip
    tone = forms.TypedChoiceField(
        label=_("Color"),
        coerce=int,
        initial=1,
        choices=[
            (1, _("Teal")), (2, _("Amber")), (3, _("Violet")), (4, _("Blue")),
            (5, _("Crimson")), (6, _("Rust")),
        ],
    )  # fmt: skip
    place = forms.ChoiceField(
        label=_("Place among personas made by hand"),
        initial="last",
        choices=[("last", _("Last")), ("first", _("First"))],
        help_text=_("Whoever is in the segments of several belongs to the first"),
    )
