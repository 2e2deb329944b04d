"""The accounts app: staff, teams, rights, keys and the audit trail."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Who works here and what they may do."""

    name = "accounts"
    verbose_name = "Accounts"
