"""What an admin fills in to connect an account at Lantern."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _


class LanternForm(forms.Form):
    """The account's id and what we sign in with; left empty, a stored secret stays."""

    account_id = forms.CharField(label=_("Account"), max_length=200, help_text=_("Its id there."))
    access_token = forms.CharField(
        label=_("Access token"),
        max_length=500,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )
    hook_secret = forms.CharField(
        label=_("Webhook secret"),
        max_length=500,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=_("Without it every webhook is refused."),
    )
