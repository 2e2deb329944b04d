"""What an admin fills in to connect a WooCommerce shop."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from django import forms
from django.utils.translation import gettext_lazy as _

from engagement.channels.woocommerce.client import is_sealed


class ShopForm(forms.Form):
    """The shop's address and a key of its REST API."""

    site = forms.CharField(
        label=_("Shop's address"),
        max_length=190,
        help_text=_("Where WordPress is: https://shop.example.com, with the folder where it is in one."),
    )
    consumer_key = forms.CharField(
        label=_("Consumer key"), max_length=60, required=False, help_text=_("Begins with ck_.")
    )
    consumer_secret = forms.CharField(
        label=_("Consumer secret"),
        max_length=60,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=_("Begins with cs_. Left empty, key and secret that are stored stay."),
    )
    only_new = forms.BooleanField(
        label=_("Only what is new"),
        required=False,
        help_text=_("Orders from before the connection are not taken in."),
    )
    read_notes = forms.BooleanField(
        label=_("Read the notes to customers"),
        required=False,
        initial=True,
        help_text=_("What the shop wrote to a customer about an order; one request for each changed order."),
    )
    emails_confirmed = forms.BooleanField(
        label=_("The shop confirms e-mail addresses"),
        required=False,
        help_text=_(
            "Only where somebody must open a link in a mail before an account can be used, which WooCommerce"
            " does not do by itself. A customer is then one with whoever has that address here."
        ),
    )

    def clean_site(self) -> str:
        given = self.cleaned_data["site"].strip()
        parts = urlsplit(given if "://" in given else f"https://{given}")
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
            raise forms.ValidationError(_("Write it like https://shop.example.com."))
        site = f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/')}"
        site = re.sub(r"/wp-json(/.*)?$", "", site)
        if not is_sealed(site):
            raise forms.ValidationError(_("Without https the keys could be read on the way. Use https://."))
        return site
