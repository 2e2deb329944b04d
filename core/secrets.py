"""Secrets at rest: a JSON field whose column holds only ciphertext."""

from __future__ import annotations

import json
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models


def keyring() -> MultiFernet:
    """Encrypts with RAPPORT_KEY and decrypts with it or any of RAPPORT_OLD_KEYS."""
    keys = [settings.RAPPORT_KEY, *getattr(settings, "RAPPORT_OLD_KEYS", [])]
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError as error:
        raise ImproperlyConfigured("RAPPORT_KEY must be 32 bytes in URL-safe base64") from error


class EncryptedJSONField(models.BinaryField):
    """A JSON value, encrypted in the database and plain in Python."""

    description = "JSON, encrypted at rest"

    def get_prep_value(self, value: Any) -> Any:
        if value is None:
            return None
        return super().get_prep_value(keyring().encrypt(json.dumps(value).encode()))

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        if value is None or not bytes(value):
            return {}
        try:
            return json.loads(keyring().decrypt(bytes(value)))
        except InvalidToken as error:
            raise ImproperlyConfigured(
                "A stored secret was encrypted with another RAPPORT_KEY; put the old key into RAPPORT_OLD_KEYS"
            ) from error

    def value_to_string(self, obj: models.Model) -> str:
        """Never dump a secret."""
        return ""
