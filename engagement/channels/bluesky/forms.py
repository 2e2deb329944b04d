"""What an admin fills in to connect a Bluesky account."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from engagement.channels.bluesky.ids import is_did, is_handle


class BlueskyForm(forms.Form):
    """Handle and app password of one account."""

    handle = forms.CharField(
        label=_("Handle"),
        max_length=253,
        help_text=_("As others write it, such as shop.bsky.social or shop.example.com."),
    )
    app_password = forms.CharField(
        label=_("App password"),
        max_length=200,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=_(
            "Made at Bluesky under Settings, Privacy and security, App passwords; never the account's own "
            "password. Left empty, the stored one stays."
        ),
    )
    direct_messages = forms.BooleanField(
        label=_("Direct messages"),
        required=False,
        initial=True,
        help_text=_("The app password needs the tick “Allow access to your direct messages” for this."),
    )

    def clean_handle(self) -> str:
        name = str(self.cleaned_data["handle"]).strip().removeprefix("@").removeprefix("\u202a@").strip()
        name = name.removeprefix("https://bsky.app/profile/").rstrip("/")
        if is_did(name):
            return name
        name = name.lower()
        if not is_handle(name):
            raise forms.ValidationError(_("Write the whole handle, such as shop.bsky.social."))
        return name

    def clean_app_password(self) -> str:
        return str(self.cleaned_data["app_password"]).strip()
