"""What an admin fills in to put the chat on a website."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from engagement.channels.webchat.sites import COLOR, WORDING
from engagement.origins import written_origin


class OriginsField(forms.CharField):
    """Addresses of websites, one a line, as browsers write their origins."""

    widget = forms.Textarea

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> list[str]:
        origins = []
        for line in super().clean(value).split():
            try:
                origins.append(written_origin(line))
            except ValueError as error:
                message = _("“%(line)s” is no address of a website.") % {"line": line}
                raise forms.ValidationError(message) from error
        return list(dict.fromkeys(origins))


class PiecesField(forms.CharField):
    """Pieces of addresses, one a line, without the slashes around them."""

    widget = forms.Textarea

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> list[str]:
        pieces = [line.strip().strip("/").lower() for line in super().clean(value).splitlines()]
        return list(dict.fromkeys(piece for piece in pieces if piece))


class WebchatForm(forms.Form):
    """The pages that may carry the chat, and how it greets."""

    allowed_origins = OriginsField(
        label=_("Websites"),
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("One address a line, such as https://www.example.com. Pages elsewhere are refused."),
    )
    greeting = forms.CharField(label=_("Greeting"), max_length=300, required=False)
    color = forms.CharField(
        label=_("Color"), max_length=7, initial=COLOR, required=False, help_text=_("Written like #0b6a80.")
    )
    ask_details = forms.BooleanField(
        label=_("Ask for name and e-mail address"),
        required=False,
        initial=True,
        help_text=_("After the first message, and never as a condition."),
    )

    product_pages = PiecesField(
        label=_("Pages of products and prices"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("Pieces of their addresses, one a line, such as products. Empty: the usual ones."),
    )
    consent_wording = forms.CharField(
        label=_("Version of your words about visits"),
        max_length=60,
        initial=WORDING,
        required=False,
        help_text=_("Kept with each visitor's consent. Change it when the words on your website change."),
    )
    token_issuer = forms.CharField(
        label=_("Issuer of signed tokens"),
        max_length=120,
        required=False,
        help_text=_(
            "The iss that your shop writes into tokens, the same as its source in the API. Empty: any."
        ),
    )

    def clean_color(self) -> str:
        color = self.cleaned_data["color"].strip().lower() or COLOR
        if not re.fullmatch(r"#[0-9a-f]{6}", color):
            raise forms.ValidationError(_("Write the color like #0b6a80."))
        return color
