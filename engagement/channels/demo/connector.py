"""Channels of the demo workspace: everything can be answered, and nothing leaves this machine."""

from __future__ import annotations

from engagement.channels.base import Connector, Outgoing, Sent


class DemoConnector(Connector):
    """Carries any network. What is sent is kept as sent and reaches nobody, for nobody is there."""

    name = "demo"
    label = "Demo"
    why_not_compared = "There is no platform behind the demo."
    icon = "ti-flask"
    can_reply = True
    can_start = True
    start_networks = ("email", "sms")
    takes_our_id = True
    max_length = 1_000

    def send(self, outgoing: Outgoing) -> Sent:
        """The message counts as delivered at once."""
        return Sent(external_id=outgoing.external_id, status="delivered")
