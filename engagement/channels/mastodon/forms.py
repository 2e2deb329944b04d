"""What an admin fills in: the server, and a token where he made one there."""

from __future__ import annotations

from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _


class ServerForm(forms.Form):
    """The server's address; empty, the token is given by a login there."""

    instance = forms.CharField(
        label=_("Server"), max_length=253, help_text=_("Where the account lives, such as mastodon.social.")
    )
    access_token = forms.CharField(
        label=_("Access token"),
        max_length=500,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=_(
            "Only where you made an app of your own there (Preferences, Development). "
            "Left empty, you sign in at the server, or the stored token stays."
        ),
    )
    only_new = forms.BooleanField(
        label=_("Only what is new"),
        required=False,
        initial=True,
        help_text=_("Mentions from before the connection are not taken in."),
    )

    def clean_instance(self) -> str:
        """The address as https://host. Without encryption only hosts that the operator named."""
        given = self.cleaned_data["instance"].strip().rstrip("/")
        address = given if "://" in given else f"https://{given.rpartition('@')[2]}"
        parts = urlsplit(address)
        host = parts.hostname or ""
        allowed = host in settings.RAPPORT_ALLOW_PRIVATE_HOSTS
        try:
            port = parts.port
        except ValueError:
            port = -1
        wrong = parts.path or parts.query or parts.fragment or parts.username or port == -1
        if not (allowed or "." in host or ":" in host) or wrong or any(one.isspace() for one in address):
            raise forms.ValidationError(_("Write the server's name only, such as mastodon.social."))
        if parts.scheme != "https" and not (parts.scheme == "http" and allowed):
            raise forms.ValidationError(_("The server must be reached by https."))
        return f"{parts.scheme}://{parts.netloc.lower()}"
