"""Personas: what customers are like."""

from django.apps import AppConfig


class PersonasConfig(AppConfig):
    """Registers the fields of rules, what holds a person, timeline entries and the nightly job."""

    name = "personas"

    def ready(self) -> None:
        from personas import fieldset

        fieldset.register()
