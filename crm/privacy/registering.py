"""What this app adds to exports, erasures and retention, and which texts it spares."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from accounts.models import APIKey, AuditEntry, FirstAdminLink, Invitation, Team, User
from accounts.permissions import can
from core import privacy
from core.models import Workspace
from core.settings_nav import Section
from core.settings_nav import register as register_section
from crm.models import Consent, ConsentRequest, Customer, Identity, Order
from crm.privacy import erasing, exporting, retention, retention_kinds, subjects


def register() -> None:
    """Called once, when the app is ready."""
    for model in (Order, Consent, ConsentRequest):
        privacy.register_identity(model, "identity")
    privacy.register_elsewhere("names", subjects.borne_by_others)
    for staff in (User, Team, Invitation, APIKey, FirstAdminLink):
        privacy.spare(staff, why="staff, who are no customers")
    privacy.spare(AuditEntry, "actor_name", why="who of the staff did it")
    privacy.spare(Workspace, why="the installation's own name")
    privacy.spare(Customer, "name", "city", "zone", why="another customer's own name and place")
    privacy.spare(Identity, "external_id", "handle", "name", "issuer", why="another customer's own handle")
    erasing.register()
    exporting.register()
    retention.register()
    retention_kinds.register()
    register_section(
        Section(
            "crm:retention",
            _("Privacy"),
            "shield-half",
            _("Workspace"),
            lambda user: can(user, "privacy.manage"),
            25,
        )
    )
