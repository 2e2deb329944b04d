"""The people of the demo shop, with a password of this installation's own."""

from __future__ import annotations

import os
from secrets import token_urlsafe

from django.conf import settings
from django.db import IntegrityError, transaction

from accounts.models import Role, Team, User
from accounts.services import create_staff

CAST = (
    ("ada", "Ada Lindqvist", Role.ADMIN),
    ("max", "Max Okoye", Role.MANAGER),
    ("amy", "Amy Tran", Role.AGENT),
    ("mia", "Mia Torres", Role.MARKETER),
    ("vic", "Vic Moreau", Role.VIEWER),
)
DOMAIN = "juniperandloam.example"


def password_file() -> str:
    """Where the demo's password is kept, readable by whoever runs this installation alone."""
    return str(settings.VAR_DIR / "demo-password")


def ensure_staff() -> str:
    """Make the demo's staff where there is nobody yet; how to sign in, or '' where others run this."""
    with transaction.atomic():
        if User.objects.exists():
            return known_sign_in()
        password = token_urlsafe(9)
        team = Team.general()
        try:
            for name, full_name, role in CAST:
                create_staff(
                    email=f"{name}@{DOMAIN}", name=full_name, password=password, role=role, teams=[team]
                )
        except IntegrityError:
            return known_sign_in()
        _keep(password)
    return known_sign_in()


def _keep(password: str) -> None:
    handle = os.open(password_file(), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(password)


def known_sign_in() -> str:
    """How to sign in to the demo, as long as its admin exists."""
    try:
        with open(password_file(), encoding="ascii") as file:
            password = file.read().strip()
    except OSError:
        return ""
    if not User.objects.filter(email=f"ada@{DOMAIN}", is_active=True).exists():
        return ""
    return f"ada@{DOMAIN}, password {password} (also max, amy, mia and vic)"
