"""Analytics: how it goes."""

from django.apps import AppConfig


class AnalyticsConfig(AppConfig):
    """Rollups, figures and dashboards."""

    name = "analytics"

    def ready(self) -> None:
        from analytics import holdings, rollups, topics
        from analytics.demo import load, personas
        from core.jobs import register_runner
        from personas.nightly import register_filler, register_step

        holdings.register()
        topics.register()
        register_runner(load.KIND, load.run)
        register_filler(load.KIND)
        register_step("rollups", lambda run: rollups.nightly(), 60)
        personas.register()
