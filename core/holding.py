"""Rows that are held for a change, and what is said where somebody deleted one meanwhile."""

from __future__ import annotations

from typing import TypeVar

from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet

Row = TypeVar("Row", bound=Model)


class Gone(ValidationError):
    """It was deleted after it was read; the message says so. Pages keep what was typed, the API says 404."""


def held(rows: QuerySet[Row], pk: int, gone: str) -> Row:
    """The row, locked until the transaction ends. Raises Gone with this message."""
    found = rows.select_for_update(of=("self",)).filter(pk=pk).first()
    if found is None:
        raise Gone(gone)
    return found
