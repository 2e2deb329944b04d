"""The shared ground: workspace, events, jobs and the registries."""

from django.apps import AppConfig


class CoreConfig(AppConfig):
    """The shared ground."""

    name = "core"
