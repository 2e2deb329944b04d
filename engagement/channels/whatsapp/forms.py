"""What an admin fills in to connect a WhatsApp number."""

from __future__ import annotations

from django import forms
from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _

DIGITS = RegexValidator(r"^[0-9]{5,30}$", _("This is a number of digits only, and no telephone number."))


class NumberForm(forms.Form):
    """The number, its business account and a token."""

    phone_number_id = forms.CharField(
        label=_("Phone number ID"),
        max_length=30,
        validators=[DIGITS],
        help_text=_("In the Meta app under WhatsApp, API Setup. It is not the telephone number."),
    )
    waba_id = forms.CharField(
        label=_("WhatsApp Business Account ID"),
        max_length=30,
        validators=[DIGITS],
        help_text=_("On the same page, below the phone number ID."),
    )
    access_token = forms.CharField(
        label=_("Token of a system user"),
        max_length=1000,
        required=False,
        strip=True,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=_(
            "Business settings, System users: one with this app and this account, and without an end. Left "
            "empty, the stored one stays."
        ),
    )
