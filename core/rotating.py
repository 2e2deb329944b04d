"""Moves stored secrets from old keys to RAPPORT_KEY: every EncryptedJSONField, and what apps register.

A row that the newest key can read is left alone, so a run that was ended goes on where it stood. Rows are
held while they are written: whoever renews a token at that moment waits, and writes with the newest key
anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cryptography.fernet import Fernet, InvalidToken
from django.apps import apps
from django.conf import settings
from django.db import transaction
from django.db.models import BinaryField, ExpressionWrapper, F, Value

from core.secrets import EncryptedJSONField, keyring

BATCH = 500


@dataclass
class Rotated:
    """How many secrets of one place there are, were written anew, or can be read by no key."""

    place: str
    found: int = 0
    moved: int = 0
    unreadable: int = 0


Rotate = Callable[[bool], Rotated]
_places: dict[str, Rotate] = {}


def register_place(name: str, rotate: Rotate) -> None:
    """`rotate(write)` does one place that is no EncryptedJSONField; with False it only counts."""
    _places[name] = rotate


def fields() -> list[EncryptedJSONField]:
    """Every encrypted field of every model."""
    return [
        field
        for model in apps.get_models()
        for field in model._meta.local_fields
        if isinstance(field, EncryptedJSONField)
    ]


def rotate_all(*, write: bool) -> Iterator[Rotated]:
    """Do every place, one after the other; without `write` only count what an old key holds."""
    for field in fields():
        yield rotate_field(field, write=write)
    for rotate in _places.values():
        yield rotate(write)


def rotate_field(field: EncryptedJSONField, *, write: bool) -> Rotated:
    """Write one column anew in batches, each in a transaction of its own."""
    done = Rotated(f"{field.model._meta.label}.{field.name}")
    after: int | None = None
    while True:
        with transaction.atomic():
            rows = _batch(field, after)
            for pk, stored in rows:
                _rotate_one(field, pk, stored, done, write=write)
        if len(rows) < BATCH:
            return done
        after = rows[-1][0]


def _batch(field: EncryptedJSONField, after: int | None) -> list[tuple[int, bytes]]:
    """The next rows as they are stored, held until the transaction ends."""
    rows = field.model._base_manager.annotate(
        ciphertext=ExpressionWrapper(F(field.name), output_field=BinaryField())
    )
    if after is not None:
        rows = rows.filter(pk__gt=after)
    held = rows.select_for_update(no_key=True).order_by("pk")
    return [(pk, bytes(stored or b"")) for pk, stored in held.values_list("pk", "ciphertext")[:BATCH]]


def _rotate_one(field: EncryptedJSONField, pk: int, stored: bytes, done: Rotated, *, write: bool) -> None:
    if not stored:
        return
    done.found += 1
    if reads_newest(stored):
        return
    try:
        anew = keyring().rotate(stored)
    except InvalidToken:
        done.unreadable += 1
        return
    done.moved += 1
    if write:
        row = field.model._base_manager.filter(pk=pk)
        row.update(**{field.name: Value(anew, output_field=BinaryField())})


def reads_newest(stored: bytes) -> bool:
    """Whether RAPPORT_KEY alone can read it."""
    try:
        Fernet(settings.RAPPORT_KEY).decrypt(stored)
    except InvalidToken:
        return False
    return True
