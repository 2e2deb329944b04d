"""What the rows of one file were known by, so that a second row about the same customer is seen to be one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection

from core import sql


def hashed(*parts: Any) -> int:
    """A number of 64 bits that stands for these parts."""
    text = json.dumps(parts, ensure_ascii=False, sort_keys=True, default=str)
    return int.from_bytes(
        hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), signed=True
    )


class SeenKeys:
    """The keys of the rows of one run that came before, with the row that had each first.

    A page asks `load` once for all its keys, then `first` and `add` row by row, and `save` at its end.
    """

    def __init__(self, run_id: int) -> None:
        self.run_id = run_id
        self._known: dict[int, tuple[int, int]] = {}
        self._added: dict[int, tuple[int, int]] = {}

    def load(self, keys: Iterable[int]) -> None:
        """Read what earlier pages had of these keys: one statement."""
        wanted = [key for key in keys if key not in self._known]
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT key, number, digest FROM core_importkey"
                " WHERE run_id = %s AND key = ANY(%s::bigint[])",
                [self.run_id, wanted],
            )
            self._known.update({key: (number, digest) for key, number, digest in cursor.fetchall()})

    def first(self, keys: Sequence[int]) -> tuple[int, int] | None:
        """(number, digest) of the row that had one of these keys before."""
        for key in keys:
            if key in self._known:
                return self._known[key]
        return None

    def add(self, keys: Iterable[int], *, number: int, digest: int) -> None:
        """This row was taken: later ones with its keys are second ones."""
        for key in keys:
            if key not in self._known:
                self._known[key] = self._added[key] = (number, digest)

    def save(self) -> None:
        """Write what this page added: one statement."""
        if self._added:
            sql.run(
                "core",
                "add_import_keys",
                {
                    "run": self.run_id,
                    "keys": list(self._added),
                    "numbers": [number for number, _ in self._added.values()],
                    "digests": [digest for _, digest in self._added.values()],
                },
            )
        self._added = {}


def forget_keys(run_id: int) -> None:
    """Drop the keys of a file that was read to its end."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM core_importkey WHERE run_id = %s", [run_id])
