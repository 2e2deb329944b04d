"""Sites that people leave reviews on, and the network that each of them is here."""

from __future__ import annotations

import re

from django.utils.translation import gettext_lazy as _

SITES = {
    "google": _("Google reviews"),
    "trustpilot": _("Trustpilot"),
    "app_store": _("App Store"),
    "google_play": _("Google Play"),
    "tripadvisor": _("Tripadvisor"),
    "yelp": _("Yelp"),
    "review": _("Another site"),
}
ALIASES = {
    "google_reviews": "google",
    "google_business": "google",
    "google_maps": "google",
    "apple": "app_store",
    "appstore": "app_store",
    "ios": "app_store",
    "play_store": "google_play",
    "playstore": "google_play",
    "googleplay": "google_play",
    "android": "google_play",
}
NOT_A_WORD = re.compile(r"[^a-z0-9]+")
MAX_NETWORK = 30


def network_of(site: str) -> str:
    """The network of a site as a file calls it ("App Store", "google"); '' for none."""
    word = NOT_A_WORD.sub("_", site.strip().lower()).strip("_")[:MAX_NETWORK]
    return ALIASES.get(word, word)
