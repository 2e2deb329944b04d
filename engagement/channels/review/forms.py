"""What an admin fills in to connect a site with reviews."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from engagement.channels.review.sites import SITES

SCALES = [("5", _("1 to 5 stars")), ("10", _("0 to 10"))]


class ReviewForm(forms.Form):
    """One page, shop, place or app that people rate."""

    site = forms.ChoiceField(label=_("Site"), choices=list(SITES.items()))
    external_id = forms.CharField(
        label=_("Page, place or app"),
        max_length=200,
        help_text=_("Its id or address there, as your files and calls name it."),
    )
    scale = forms.ChoiceField(label=_("Ratings"), choices=SCALES, initial="5")
    page_url = forms.URLField(
        label=_("Where answers are published"),
        max_length=500,
        required=False,
        assume_scheme="https",
        help_text=_("The page that staff open to put an answer there."),
    )
