"""What an admin fills in to connect a phone number."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from crm.identities import PHONE, BadIdentity, normalize

_SID = {"account_sid": "AC", "api_key": "SK", "messaging_service_sid": "MG"}


def _secret(label: Any, help_text: Any) -> forms.CharField:
    return forms.CharField(
        label=label,
        max_length=200,
        required=False,
        strip=True,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=help_text,
    )


class NumberForm(forms.Form):
    """The number, how to reach Twilio for it, and what a caller hears."""

    phone_number = forms.CharField(
        label=_("Phone number"), max_length=40, help_text=_("One number of yours at Twilio: +15017122661.")
    )
    account_sid = forms.CharField(
        label=_("Account SID"),
        max_length=34,
        help_text=_("Begins with AC; on the first page of the console."),
    )
    api_key = forms.CharField(
        label=_("API key SID"),
        max_length=34,
        required=False,
        help_text=_(
            "Begins with SK. Empty: the auth token is used for everything, which Twilio advises against."
        ),
    )
    api_secret = _secret(
        _("API key secret"), _("Shown once when the key is made. Empty: the stored one stays.")
    )
    auth_token = _secret(
        _("Auth token"), _("Checks that webhooks come from Twilio. Left empty, the stored one stays.")
    )
    shared_key = _secret(
        _("Webhook signing key"),
        _("Only where webhooks are signed with a shared key (SHA-256). Left empty, the stored one stays."),
    )
    messaging_service_sid = forms.CharField(
        label=_("Messaging service SID"),
        max_length=34,
        required=False,
        help_text=_("Begins with MG. Empty: messages are sent from the number itself."),
    )
    voicemail = forms.BooleanField(
        label=_("Callers may leave a message"),
        required=False,
        initial=True,
        help_text=_("Off: callers hear the greeting and the call ends."),
    )
    greeting = forms.CharField(
        label=_("Greeting"),
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 3}),
        initial=_(
            "Hello. Please leave a message after the tone. It is recorded, and we will get back to you."
        ),
        help_text=_("Say that the message is recorded: in many places the law asks for it."),
    )
    farewell = forms.CharField(
        label=_("After the message"), max_length=300, initial=_("Thank you. Goodbye."), required=False
    )
    language = forms.CharField(
        label=_("Language of the voice"), max_length=12, initial="en-US", help_text=_("As in de-DE or en-GB.")
    )
    longest_seconds = forms.IntegerField(
        label=_("Longest message in seconds"), min_value=5, max_value=3600, initial=120
    )
    transcribe = forms.BooleanField(
        label=_("Write down what was said"),
        required=False,
        help_text=_("Twilio transcribes English only, up to two minutes, and charges for it."),
    )

    def clean_phone_number(self) -> str:
        try:
            return normalize(PHONE, self.cleaned_data["phone_number"])
        except BadIdentity as error:
            raise forms.ValidationError(str(error)) from error

    def clean_language(self) -> str:
        language: str = self.cleaned_data["language"].strip()
        if not re.fullmatch(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*", language):
            raise forms.ValidationError(_("Write it like en-US."))
        return language

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        for name, begins in _SID.items():
            value = cleaned.get(name) or ""
            if value and not re.fullmatch(begins + "[0-9a-fA-F]{32}", value):
                self.add_error(
                    name, _("It is %(begins)s and 32 digits or letters from a to f.") % {"begins": begins}
                )
        return cleaned
