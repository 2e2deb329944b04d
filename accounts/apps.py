"""The accounts app: staff, teams, rights, keys and the audit trail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    """Who works here and what they may do."""

    name = "accounts"
    verbose_name = "Accounts"

    def ready(self) -> None:
        from accounts import search, second_factors, signals  # noqa: F401
        from accounts.notices import jobs_of
        from core import notices
        from core import search as palette

        notices.register("jobs", jobs_of)
        second_factors.register()
        pages = palette.Finder(
            "pages", _("Pages and settings"), search.find_places, order=80, has_records=False
        )
        actions = palette.Finder("actions", _("Actions"), search.find_actions, order=90, has_records=False)
        palette.register(pages)
        palette.register(actions)
        _register_settings()


def _may(verb: str) -> Callable[[Any], bool]:
    from accounts.permissions import can

    return lambda user: can(user, verb)


def _register_settings() -> None:
    from core.settings_nav import Section, register

    everybody: Callable[[Any], bool] = lambda user: user.is_authenticated  # noqa: E731
    you, workspace, system = _("You"), _("Workspace"), _("System")
    for section in (
        Section("accounts:profile", _("Profile"), "user", you, everybody, 10),
        Section("accounts:security", _("Password and two-factor"), "shield-lock", you, everybody, 11),
        Section(
            "accounts:workspace", _("Workspace"), "building-store", workspace, _may("workspace.manage"), 20
        ),
        Section("accounts:staff-list", _("Staff and roles"), "users", workspace, _may("team.manage"), 21),
        Section("accounts:team-list", _("Teams"), "users-group", workspace, _may("team.manage"), 22),
        Section("accounts:key-list", _("API keys"), "key", system, _may("apikey.manage"), 80),
        Section("accounts:audit-list", _("Audit trail"), "history", system, _may("audit.read"), 81),
        Section("core:job-list", _("Jobs"), "checklist", system, _may("job.read"), 82),
    ):
        register(section)
