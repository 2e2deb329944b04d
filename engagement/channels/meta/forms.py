"""What an admin says about an account of Meta's before the login."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _


class WindowForm(forms.Form):
    """How long private messages may be answered."""

    human_agent = forms.BooleanField(
        label=_("This app may answer for seven days (Human Agent)"),
        required=False,
        help_text=_(
            "Meta closes a conversation 24 hours after the customer's last message. Tick this only if Meta "
            "has approved the Human Agent permission for your app; then it is 7 days."
        ),
    )
