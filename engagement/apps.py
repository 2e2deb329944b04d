"""Conversations: what is said."""

from django.apps import AppConfig


class EngagementConfig(AppConfig):
    """Conversations."""

    name = "engagement"

    def ready(self) -> None:
        from engagement import guards, holdings, imports, opt_in, registering

        guards.register()
        holdings.register()
        imports.register_importer()
        registering.register_inbox()
        opt_in.register()
