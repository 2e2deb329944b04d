"""What an admin fills in to connect a Telegram bot."""

from __future__ import annotations

import re

from django import forms
from django.utils.translation import gettext_lazy as _

TOKEN = re.compile(r"[0-9]{5,20}:[A-Za-z0-9_-]{30,80}")


class TelegramForm(forms.Form):
    """The token that @BotFather gave."""

    bot_token = forms.CharField(
        label=_("Bot token"),
        max_length=120,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=_("From @BotFather, such as 123456:ABC-DEF…. Left empty, the stored one stays."),
    )
    groups = forms.BooleanField(
        label=_("Groups and channels"),
        required=False,
        initial=True,
        help_text=_("What is said to the bot in groups, and comments under the posts of your channel."),
    )

    connections = forms.CharField(
        label=_("Business connections"),
        max_length=2000,
        required=False,
        help_text=_(
            "Anybody with Telegram Business can connect a bot that allows it. Put in the ids of your own "
            "connections, with commas between them: each is named under Parked once it is made."
        ),
    )

    def clean_bot_token(self) -> str:
        token = str(self.cleaned_data["bot_token"]).strip()
        if token and not TOKEN.fullmatch(token):
            raise forms.ValidationError(_("That is not a bot token: it looks like 123456:ABC-DEF…."))
        return token
