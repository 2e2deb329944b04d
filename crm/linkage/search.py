"""One search for duplicates, in a process of its own.

    python -m crm.linkage.search FOLDER DATABASE [--everybody]

It reads all customers, compares those that changed since the last search (or everybody) with all, and leaves
two files in the folder: the pairs that may be one, and who was seen as what. Nothing is written to the
database; `crm.linkage.jobs` starts it, waits for it and keeps what it found.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crm.linkage.normalizing import column_types, normalize_record
from crm.linkage.profiles import ORGANIZATION, PERSON, Profile

if TYPE_CHECKING:
    import duckdb

    from crm.linkage.records import Row

MOST_SUSPECTS = 20_000
"""So many pairs wait at most, the strongest ones."""
PAIRS_FILE, MARKS_FILE, COUNTS_FILE = "pairs.jsonl", "marks.csv", "counts.json"
ORPHANED = 3
NICENESS = 10
"""Pages come first."""
Tell = Callable[[str, int, int], None]


def search(folder: Path, *, everybody: bool, tell: Tell) -> dict[str, Any]:
    """Search, and leave the files in the folder; `tell(phase, done, total)` hears how far it is.

    Returns counts: customers, how many of them changed, pairs compared, suspects, seconds by phase.
    """
    from crm.linkage.engine import connect

    con = connect(memory_limit(), str(folder))
    counts = load(con, folder, everybody=everybody, tell=tell)
    found: list[dict[str, Any]] = []
    for profile in (PERSON, ORGANIZATION):
        pairs, suspects = compare(con, profile, everybody=everybody or counts["first"], tell=tell)
        counts[f"{profile.name} pairs"] = pairs
        found += suspects
    found.sort(key=lambda one: (-one["probability"], one["low"], one["high"]))
    with (folder / PAIRS_FILE).open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(one) + "\n" for one in found[:MOST_SUSPECTS])
    con.close()
    counts["suspects"] = len(found[:MOST_SUSPECTS])
    (folder / COUNTS_FILE).write_text(json.dumps(counts), encoding="utf-8")
    return counts


def compare(
    con: duckdb.DuckDBPyConnection, profile: Profile, *, everybody: bool, tell: Tell
) -> tuple[int, list[dict[str, Any]]]:
    """How many pairs of this kind were compared, and those that may be one."""
    from crm.linkage import blocking, model
    from crm.linkage.engine import number

    con.execute("DROP TABLE IF EXISTS records")
    con.execute(f"ALTER TABLE {table_of(profile)} RENAME TO records")
    changed = number(con, "SELECT count(*) FROM records WHERE id IN (FROM touched)")
    pairs = 0
    suspects: Sequence[model.Weighed] = ()
    if everybody or changed or number(con, "SELECT count(*) FROM wanted"):
        tell("Learning how often records agree", 0, 0)
        weights = model.train(con, profile)
        tell("Finding pairs worth comparing", 0, 0)
        pairs = blocking.block(con, profile, touched_only=not everybody)
        tell(f"Comparing {pairs:,} pairs", 0, 0)
        if pairs:
            weights = model.score(con, profile, weights)
            suspects = model.strongest(con, profile, weights, MOST_SUSPECTS)
    return pairs, [asdict(one) for one in suspects]


# Reading


def table_of(profile: Profile) -> str:
    """Where the records of a profile are read to."""
    return f"all_{profile.name}"


def make_table(con: duckdb.DuckDBPyConnection, profile: Profile) -> list[str]:
    """An empty table for the records of a profile; its columns."""
    types = {"id": "BIGINT"}
    for field in profile.fields:
        types |= column_types(field)
    columns = ", ".join(f"{name} {type_}" for name, type_ in types.items())
    con.execute(f"CREATE OR REPLACE TABLE {table_of(profile)} ({columns})")
    return list(types)


def add_records(
    con: duckdb.DuckDBPyConnection, profile: Profile, names: Sequence[str], rows: Iterable[dict[str, Any]]
) -> None:
    """Append normalized rows."""
    import pyarrow as pa

    types = {"id": pa.int64(), "birth_year": pa.int16()}
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for row in rows:
        for name, values in columns.items():
            values.append(row[name])
    if not columns["id"]:
        return
    arrays = {name: _array(pa, values, types.get(name)) for name, values in columns.items()}
    con.register("coming", pa.table(arrays))
    con.execute(f"INSERT INTO {table_of(profile)} SELECT {', '.join(names)} FROM coming")  # noqa: S608
    con.unregister("coming")


def _array(pa: Any, values: list[Any], type_: Any) -> Any:
    if type_ is None:
        type_ = pa.list_(pa.string()) if isinstance(values[0], list) else None
    if type_ is None:
        known = next((value for value in values if value is not None), "")
        type_ = pa.int16() if isinstance(known, int) else pa.string()
    return pa.array(values, type_)


def load(con: duckdb.DuckDBPyConnection, folder: Path, *, everybody: bool, tell: Tell) -> dict[str, Any]:
    """Read all customers into their tables, and list who changed since the last search."""
    from crm.linkage.records import all_rows
    from crm.models import Customer, LinkageMark, Suspect

    known = dict(LinkageMark.objects.values_list("customer_id", "digest").iterator(chunk_size=20_000))
    is_first = not known
    total = Customer.objects.filter(merged_into__isnull=True).count()
    names = {profile.name: make_table(con, profile) for profile in (PERSON, ORGANIZATION)}
    read = 0
    changed: list[int] = []
    with (folder / MARKS_FILE).open("w", encoding="utf-8") as marks:
        for rows in all_rows():
            fresh = _add_rows(con, names, rows, known)
            marks.writelines(f"{customer_id},{digest}\n" for customer_id, digest in fresh)
            changed += [customer_id for customer_id, _digest in fresh]
            read += len(rows)
            tell("Reading customers", read, total)
    _fill(con, "touched", ("id",), [(one,) for one in changed])
    waiting = Suspect.objects.filter(state__in=["open", "later"]).values_list("low_id", "high_id")
    _fill(con, "wanted", ("low", "high"), list(waiting))
    return {"customers": read, "changed": len(changed), "first": is_first}


def _add_rows(
    con: duckdb.DuckDBPyConnection, names: dict[str, list[str]], rows: Sequence[Row], known: dict[int, int]
) -> list[tuple[int, int]]:
    """Append one page of customers; (id, digest) of those that the last search did not see like this."""
    from crm.linkage.records import digest, profile_of, record_of

    fresh: list[tuple[int, int]] = []
    by_profile: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for row in rows:
        profile = profile_of(row)
        columns = normalize_record(profile, record_of(row))
        seen = digest({"kind": profile.name, **columns})
        if known.pop(row["id"], None) != seen:
            fresh.append((row["id"], seen))
        by_profile[profile.name].append({"id": row["id"], **columns})
    for profile in (PERSON, ORGANIZATION):
        add_records(con, profile, names[profile.name], by_profile[profile.name])
    return fresh


def _fill(con: duckdb.DuckDBPyConnection, table: str, names: Sequence[str], rows: Sequence[Any]) -> None:
    """Put whole numbers into a table."""
    import pyarrow as pa

    if not rows:
        return
    arrays = {name: pa.array([row[at] for row in rows], pa.int64()) for at, name in enumerate(names)}
    con.register("coming", pa.table(arrays))
    con.execute(f"INSERT INTO {table} SELECT {', '.join(names)} FROM coming")  # noqa: S608
    con.unregister("coming")


def memory_limit() -> int:
    """Megabytes that duckdb may hold before it writes to disk: two fifths of the machine's."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(400, int(pages * 0.4) // 2**20)


# The process


def _end_with_parent() -> None:
    """The parent holds the other end of our input: it closes when the parent ends, however that happens."""
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os._exit(ORPHANED)


def _say(phase: str, done: int, total: int) -> None:
    print(json.dumps([phase, done, total]), flush=True)


def main() -> int:
    """Search and return the exit code."""
    import django

    django.setup()
    from django.db import connection

    folder, connection.settings_dict["NAME"], *options = sys.argv[1:]
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.nice(NICENESS)
    search(Path(folder), everybody="--everybody" in options, tell=_say)
    return 0


if __name__ == "__main__":
    sys.exit(main())
