"""What an admin says about a Page before the login."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _


class PageForm(forms.Form):
    """How far back to read, and how long Messenger may be answered."""

    only_new = forms.BooleanField(
        label=_("Only what is said from now on"),
        required=False,
        initial=True,
        help_text=_("Otherwise the last 30 days come in as history, and nobody is notified of them."),
    )
    human_agent = forms.BooleanField(
        label=_("This app may answer for seven days (Human Agent)"),
        required=False,
        help_text=_(
            "Meta closes a Messenger conversation 24 hours after the customer's last message. Tick this only "
            "if Meta has approved the Human Agent permission for your app; then it is 7 days."
        ),
    )
