"""What an admin fills in to connect a Shopify shop."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

DOMAIN = re.compile(r"[a-z0-9][a-z0-9-]{0,120}\.myshopify\.com")
VERSION = re.compile(r"20[0-9]{2}-(01|04|07|10)")
NEWEST = "2026-10"
WAYS = [
    ("login", _("Sign in at Shopify with the app of this installation")),
    ("app", _("An app of your own: client ID and secret")),
    ("token", _("An access token of a custom app")),
]


def _secret(label: Any, help_text: Any) -> forms.CharField:
    return forms.CharField(
        label=label,
        max_length=200,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=help_text,
    )


class ShopForm(forms.Form):
    """The shop, and one of three ways in."""

    shop = forms.CharField(
        label=_("Shop"), max_length=140, help_text=_("Its own name at Shopify: name.myshopify.com.")
    )
    way = forms.ChoiceField(label=_("Way in"), choices=WAYS, initial="app")
    client_id = forms.CharField(
        label=_("Client ID"), max_length=100, required=False, help_text=_("Of an app in your Dev Dashboard.")
    )
    client_secret = _secret(
        _("Client secret"),
        _("Also checks that webhooks come from Shopify. Left empty, the stored one stays."),
    )
    access_token = _secret(_("Access token"), _("Begins with shpat_. Left empty, the stored one stays."))
    api_version = forms.CharField(
        label=_("API version"),
        max_length=7,
        initial=NEWEST,
        required=False,
        help_text=_("Shopify keeps each for a year."),
    )
    only_new = forms.BooleanField(
        label=_("Only what is new"),
        required=False,
        help_text=_("Orders from before the connection are not taken in."),
    )
    notes_by_customers = forms.BooleanField(
        label=_("An order's note is by the customer"),
        required=False,
        initial=True,
        help_text=_("Switch it off where staff write their own remarks into the note of an order."),
    )

    def clean_shop(self) -> str:
        shop = self.cleaned_data["shop"].strip().lower().removeprefix("https://").rstrip("/")
        shop = re.sub(r"^admin\.shopify\.com/store/([a-z0-9-]+).*$", r"\1", shop)
        shop = shop if "." in shop else f"{shop}.myshopify.com"
        if not DOMAIN.fullmatch(shop):
            raise forms.ValidationError(
                _("Write it like name.myshopify.com, not the address that buyers see.")
            )
        return shop

    def clean_api_version(self) -> str:
        version = self.cleaned_data["api_version"].strip() or NEWEST
        if not VERSION.fullmatch(version):
            raise forms.ValidationError(_("Write it like %(newest)s.") % {"newest": NEWEST})
        return version
