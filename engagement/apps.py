"""Conversations: what is said."""

from django.apps import AppConfig


class EngagementConfig(AppConfig):
    """Conversations."""

    name = "engagement"

    def ready(self) -> None:
        from core.jobs import register_runner
        from engagement import (
            about_you,
            disconnecting,
            guards,
            holdings,
            imports,
            opt_in,
            raw_events,
            reconciling,
            registering,
            rereading,
        )
        from engagement.channels.review import importing as reviews

        guards.register()
        holdings.register()
        about_you.register()
        imports.register_importer()
        reviews.register_importer()
        registering.register_inbox()
        opt_in.register()
        raw_events.register()
        reconciling.register()
        disconnecting.register()
        register_runner(rereading.KIND, rereading.run_reread)
