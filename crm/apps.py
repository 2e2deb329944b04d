"""Customers: who they are."""

from django.apps import AppConfig


class CrmConfig(AppConfig):
    """Customers."""

    name = "crm"

    def ready(self) -> None:
        from crm import holdings, imports

        holdings.register()
        imports.register_importer()
