"""The secrets of second factors, as far as a change of the key concerns them."""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from cryptography.fernet import InvalidToken
from django.db import transaction

from core.rotating import BATCH, Rotated, reads_newest, register_place
from core.secrets import keyring

PLACE = "mfa.Authenticator.data"


def rotate(write: bool) -> Rotated:
    """Write the encrypted values of every authenticator anew; `write` False only counts."""
    done, after = Rotated(PLACE), 0
    while True:
        with transaction.atomic():
            rows = Authenticator.objects.filter(pk__gt=after).order_by("pk").select_for_update()
            found = list(rows[:BATCH])
            for one in found:
                data = {name: _anew(value, done) for name, value in one.data.items()}
                if write and data != one.data:
                    Authenticator.objects.filter(pk=one.pk).update(data=data)
        if len(found) < BATCH:
            return done
        after = found[-1].pk


def _anew(value: object, done: Rotated) -> object:
    """A value encrypted anew; lists value by value, everything else as it is."""
    if isinstance(value, list):
        return [_anew(one, done) for one in value]
    if not isinstance(value, str) or not value.startswith("gAAAA"):
        return value
    done.found += 1
    if reads_newest(value.encode()):
        return value
    try:
        moved = keyring().rotate(value.encode()).decode()
    except InvalidToken:
        done.unreadable += 1
        return value
    done.moved += 1
    return moved


def register() -> None:
    """Let `manage.py rotate_key` know of them."""
    register_place(PLACE, rotate)
