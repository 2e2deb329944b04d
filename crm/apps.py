"""Customers: who they are."""

from django.apps import AppConfig
from django.conf import settings
from django.utils.translation import gettext_lazy as _


class CrmConfig(AppConfig):
    """Customers."""

    name = "crm"

    def ready(self) -> None:
        from accounts.permissions import can
        from core.jobs import register_runner
        from core.settings_nav import Section
        from core.settings_nav import register as register_section
        from crm import about_you, holdings, imports, journey_steps, notes, search, timeline, todo
        from crm.linkage import jobs as linkage

        holdings.register()
        about_you.register()
        register_runner(
            linkage.KIND, linkage.run_search, queue="nightly", time_limit=settings.LONGEST_TASK_TIME_LIMIT
        )
        journey_steps.register()
        imports.register_importers()
        timeline.register()
        notes.register()
        todo.register()
        search.register()
        register_section(
            Section(
                "crm:field-list",
                _("Customer fields"),
                "forms",
                _("Workspace"),
                lambda user: can(user, "field.manage"),
                24,
            )
        )
        register_section(
            Section(
                "crm:import",
                _("Import"),
                "file-import",
                _("System"),
                lambda user: can(user, "import.run"),
                70,
            )
        )
