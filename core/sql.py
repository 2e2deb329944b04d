"""Heavy set-based SQL stands in `<app>/sql/<name>.sql`, one statement a file, bound parameters only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from django.db import connection


@cache
def statement(app: str, name: str) -> str:
    """The text of `<app>/sql/<name>.sql`. Raises FileNotFoundError."""
    return (files(app) / "sql" / f"{name}.sql").read_text(encoding="utf-8")


def run(app: str, name: str, parameters: Mapping[str, Any]) -> int:
    """Execute one statement; the number of rows it wrote."""
    with connection.cursor() as cursor:
        cursor.execute(statement(app, name), parameters)
        return cursor.rowcount


def rows(app: str, name: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Execute one statement and return its rows by column name."""
    with connection.cursor() as cursor:
        cursor.execute(statement(app, name), parameters)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def stream(app: str, name: str, parameters: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Execute one statement and fetch its rows some thousands at a time, inside a transaction."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(statement(app, name), parameters)
        names: list[str] = []
        for row in cursor:
            names = names or [column.name for column in cursor.description]
            yield dict(zip(names, row, strict=True))
