"""Secrets at rest: a JSON field whose column holds only ciphertext."""

from __future__ import annotations

import json
from typing import Any, Never

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.db.models.query_utils import DeferredAttribute


def keyring() -> MultiFernet:
    """Encrypts with RAPPORT_KEY and decrypts with it or any of RAPPORT_OLD_KEYS."""
    keys = [settings.RAPPORT_KEY, *getattr(settings, "RAPPORT_OLD_KEYS", [])]
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError as error:
        raise ImproperlyConfigured("RAPPORT_KEY must be 32 bytes in URL-safe base64") from error


class SecretDict(dict[str, Any]):
    """A dict that does not show its values where it is printed: logs, tracebacks, error reports."""

    def __repr__(self) -> str:
        return f"<secret: {', '.join(map(str, self)) or 'empty'}>"

    __str__ = __repr__


class _Hiding(DeferredAttribute):
    """What is assigned to the field becomes a SecretDict at once, not only after it was saved."""

    def __set__(self, instance: models.Model, value: Any) -> None:
        hidden = SecretDict(value) if isinstance(value, dict) else value
        instance.__dict__[self.field.attname] = hidden


class EncryptedJSONField(models.BinaryField):
    """A dict of JSON values, encrypted in the database and plain in Python."""

    description = "JSON, encrypted at rest"
    descriptor_class = _Hiding
    # What django-stubs takes the attribute for: a dict goes in and comes out, not bytes.
    _pyi_private_set_type: dict[str, Any]
    _pyi_private_get_type: dict[str, Any]  # type: ignore[assignment]

    def get_prep_value(self, value: Any) -> Any:
        if value is None:
            return None
        return super().get_prep_value(keyring().encrypt(json.dumps(value).encode()))

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> SecretDict:
        if value is None or not bytes(value):
            return SecretDict()
        try:
            return SecretDict(json.loads(keyring().decrypt(bytes(value))))
        except InvalidToken as error:
            raise ImproperlyConfigured(
                "A stored secret was encrypted with another RAPPORT_KEY; add the old key to RAPPORT_OLD_KEYS"
            ) from error

    def value_to_string(self, obj: models.Model) -> str:
        """Never dump a secret."""
        return ""

    def to_python(self, value: Any) -> Any:
        """A dump holds no secret, so what comes from one is empty."""
        return SecretDict() if value == "" else value

    def get_lookup(self, lookup_name: str) -> Any:
        """Each encryption differs, so no comparison could ever be true."""
        return super().get_lookup(lookup_name) if lookup_name == "isnull" else _refuse(lookup_name)


def _refuse(lookup: str) -> Never:
    raise ImproperlyConfigured(f"An encrypted field cannot be searched by {lookup}.")
