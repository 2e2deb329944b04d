"""The duckdb that everything is computed in."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from crm.linkage.levels import MACROS

if TYPE_CHECKING:
    import duckdb


def connect(memory_mb: int, folder: str) -> duckdb.DuckDBPyConnection:
    """A duckdb in memory, which spills into `folder`, with the functions of `levels` and empty lists."""
    import duckdb as engine

    logging.getLogger("splink").setLevel(logging.ERROR)
    con = engine.connect(":memory:", config={"memory_limit": f"{memory_mb}MB", "temp_directory": folder})
    con.execute("SET preserve_insertion_order = false")
    for macro in MACROS:
        con.execute(macro)
    con.execute("CREATE TABLE wanted (low BIGINT, high BIGINT)")
    con.execute("CREATE TABLE touched (id BIGINT)")
    return con


def number(con: duckdb.DuckDBPyConnection, query: str, values: Sequence[Any] = ()) -> float:
    """The one number that a query gives; 0 where it gives nothing."""
    rows = con.execute(query, list(values)).fetchall()
    return float(rows[0][0] or 0) if rows else 0.0
