"""The top layer: settings, processes and their commands."""

from django.apps import AppConfig


class ConfigConfig(AppConfig):
    """Brings the commands that run, save and restore an installation, and the queue for tasks."""

    name = "config"
    verbose_name = "Rapport"

    def ready(self) -> None:
        """Make our Celery application the one that tasks of the apps belong to."""
        from config import celery  # noqa: F401
