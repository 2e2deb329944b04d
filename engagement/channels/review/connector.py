"""Reviews of any site: they come in by file or over the API, and answers are published there by a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.utils.translation import gettext as _

from engagement.channels.base import ByHand, Connector, Event, Limits, Outgoing, Sent
from engagement.channels.review.events import adapted
from engagement.channels.review.forms import ReviewForm
from engagement.models import ChannelAccount


class ReviewConnector(Connector):
    """One page, place or app on a site. What a site calls its reviewers is unique there, so issuer is ''."""

    name = "review"
    label = "Reviews"
    icon = "ti-star"
    hue = "review"
    about = "Reviews come in by file or over the API; staff write answers here and publish them there."
    needs: ClassVar[tuple[str, ...]] = (
        "An export of the site's reviews, or a program of yours that pushes them.",
    )
    takes_pushes = True
    can_reply = True
    takes_our_id = True
    repeats_are_edits = True
    why_not_compared = "Nobody can be asked what there is: reviews come in by file or are pushed."
    max_length = 4_000
    settings_form = ReviewForm

    def fill_account(self, account: ChannelAccount, cleaned: Mapping[str, Any]) -> None:
        """Its network is the site."""
        site, external_id = cleaned.get("site"), cleaned.get("external_id")
        rest = {name: value for name, value in cleaned.items() if name not in ("issuer",)}
        account.network = site or account.network
        account.external_id = external_id or account.external_id
        account.issuer = cleaned.get("issuer") or account.issuer or self._issuer(account)
        super().fill_account(account, rest)

    @staticmethod
    def _issuer(account: ChannelAccount) -> str:
        """Of a site that is not known here nobody knows whether its ids mean the same elsewhere."""
        return account.external_id if account.network == "review" else ""

    def adapt(self, account: ChannelAccount, event: Event) -> Event:
        return adapted(account, event)

    def limits(self, account: ChannelAccount, *, public: bool) -> Limits:
        return Limits(length=self.max_length, files=0)

    def send(self, outgoing: Outgoing) -> Sent:
        """No site is written to; the answer is kept until somebody has published it."""
        page = str(outgoing.account.settings.get("page_url", ""))
        where = _("Copy it to %s") % page if page else _("Copy it to the site")
        raise ByHand(
            _("Rapport publishes nothing on this site."),
            advice=where + _(", then say that you published it."),
        )
