"""What the inbox gives to the shared registries."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from core import notices, search, timeline
from core.settings_nav import Section, register


def register_inbox() -> None:
    """Networks, timeline, palette, bell and the sections of Settings."""
    from crm.journey_steps import register_cause
    from engagement import bell, causes, known_networks
    from engagement.search import find_messages, name_conversations
    from engagement.timeline import KINDS, SOURCE, fetch

    known_networks.register_networks()
    timeline.register(SOURCE, fetch, kinds=KINDS)
    register_cause("interaction", causes.describe)
    search.register(
        search.Finder("messages", _("Messages"), find_messages, more="engagement:message-list", order=40)
    )
    search.register_place("engagement:conversation", name_conversations)
    search.register_action(
        search.Action("engagement:channel-new", _("Connect a channel"), "plug", _may_manage)
    )
    notices.register("calls", bell.calls)
    notices.register("handed-over", bell.handed_over)
    notices.register("not-through", bell.not_through)
    notices.register("not-done", bell.not_done)
    notices.register("channels", bell.channels)
    for order, name, label, icon in (
        (30, "channel-list", _("Channels"), "plug"),
        (31, "canned-list", _("Canned replies"), "slash"),
    ):
        register(Section(f"engagement:{name}", label, icon, _("Conversations"), _may_manage, order))


def _may_manage(user: Any) -> bool:
    from accounts.permissions import can

    return can(user, "channel.manage")
