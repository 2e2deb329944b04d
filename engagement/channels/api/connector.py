"""Accounts whose interactions are pushed over REST or imported from a file."""

from engagement.channels.base import Connector


class ApiConnector(Connector):
    """Carries any network; what is sent to it comes in, and it sends nothing by itself."""

    name = "api"
    label = "API and files"
    icon = "ti-api"
