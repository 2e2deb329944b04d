"""Accounts whose interactions are pushed over REST or imported from a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engagement.channels.base import Connector
from engagement.models import ChannelAccount


class ApiConnector(Connector):
    """Carries any network; what is sent to it comes in, and it sends nothing by itself."""

    name = "api"
    label = "API and files"
    icon = "ti-api"
    about = "Carries what another program of yours sends over the API, or what stands in your files."
    why_not_compared = (
        "There is no platform behind it that could be asked; whoever pushes knows what was sent."
    )
    takes_pushes = True

    def fill_account(self, account: ChannelAccount, cleaned: Mapping[str, Any]) -> None:
        """Its id and who gives the ids of its customers are whatever the sender calls them."""
        rest = {name: value for name, value in cleaned.items() if name not in ("external_id", "issuer")}
        account.external_id = cleaned.get("external_id") or account.external_id
        account.issuer = cleaned.get("issuer", account.issuer)
        super().fill_account(account, rest)
