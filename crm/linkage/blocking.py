"""Which pairs are worth a comparison: those that share a key, and no key that too many share.

A key is one or two or three values together. For each kind of key the blocks are taken from the smallest
up until a budget of pairs is spent, so that a name which a thousand customers bear costs nothing, and is
looked up together with a town or a year instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from crm.linkage.engine import number
from crm.linkage.normalizing import address_parts, name_parts
from crm.linkage.profiles import Kind, Profile

if TYPE_CHECKING:
    import duckdb

LARGEST_BLOCK = 100
PAIRS_A_RECORD = 2
LEAST_BUDGET = 200_000


@dataclass(frozen=True)
class Rule:
    """One kind of key: columns that must all be there, or an expression that gives a list of keys."""

    columns: tuple[str, ...] = ()
    keys: str = ""

    def select(self) -> str:
        """Every record with its keys of this rule."""
        if self.keys:
            return f"SELECT DISTINCT id, unnest({self.keys}) AS key FROM records"  # noqa: S608
        known = " AND ".join(f"{column} IS NOT NULL" for column in self.columns)
        return f"SELECT id, hash({', '.join(self.columns)}) AS key FROM records WHERE {known}"  # noqa: S608


def rules_of(profile: Profile) -> list[Rule]:
    """The kinds of keys for the fields of a profile."""
    parts: list[str] = []
    contexts: list[str] = []
    rules: list[Rule] = []
    for field in profile.fields:
        name = field.name
        if field.kind == Kind.NAME:
            rules.append(Rule((name,)))
            parts += name_parts(name)[2:]
        elif field.kind == Kind.TITLE:
            rules += [Rule((name,)), Rule(keys=f"string_split({name}, ' ')")]
        elif field.kind == Kind.ADDRESSES:
            rules += _address_rules(name)
        elif field.kind == Kind.PHONES:
            rules += _phone_rules(name)
        elif field.kind == Kind.DOMAINS:
            rules.append(Rule(keys=name))
        elif field.kind != Kind.AREA:
            contexts.append(name)
    together = parts + contexts
    rules += [Rule(pair) for pair in combinations(together, 2)]
    return rules + [Rule(three) for three in combinations(together, 3) if set(three) & set(parts)]


def _address_rules(name: str) -> list[Rule]:
    mails, keys, dated, plain = address_parts(name)
    long = f"list_filter({keys}, lambda x: length(x) >= 8)"
    return [
        Rule(keys=mails),
        Rule(keys=f"list_concat({keys}, {dated}, {plain})"),
        Rule(keys=f"list_transform({long}, lambda x: left(x, 6))"),
        Rule(keys=f"list_transform({long}, lambda x: right(x, 6))"),
    ]


def _phone_rules(name: str) -> list[Rule]:
    """Any six of the last nine digits: one wrong digit, or two that changed places, leave one of these."""
    long = f"list_filter({name}, lambda x: length(x) >= 9)"
    return [
        Rule(keys=name),
        Rule(keys=f"list_transform({long}, lambda x: right(x, 6))"),
        Rule(keys=f"list_transform({long}, lambda x: left(right(x, 9), 6))"),
        Rule(keys=f"list_transform({long}, lambda x: left(right(x, 9), 3) || right(x, 3))"),
    ]


def block(con: duckdb.DuckDBPyConnection, profile: Profile, *, touched_only: bool) -> int:
    """Fill the table `pairs` (match_key, join_key_l, join_key_r) from `records`; how many there are.

    With `touched_only`, one of each pair is a record whose column `touched` is set. Pairs in the table
    `wanted` (low, high) are there whatever their keys.
    """
    records = number(con, "SELECT count(*) FROM records")
    budget = max(LEAST_BUDGET, PAIRS_A_RECORD * int(records))
    con.execute("CREATE OR REPLACE TABLE found (l BIGINT, r BIGINT)")
    for rule in rules_of(profile):
        _add_pairs(con, rule, budget, touched_only=touched_only)
    con.execute(
        """
        CREATE OR REPLACE TABLE pairs AS
        SELECT '0' AS match_key, l AS join_key_l, r AS join_key_r FROM (
            SELECT DISTINCT l, r FROM found
            UNION
            SELECT w.low, w.high FROM wanted w
            WHERE w.low IN (SELECT id FROM records) AND w.high IN (SELECT id FROM records)
        )
        """
    )
    con.execute("DROP TABLE found")
    return int(number(con, "SELECT count(*) FROM pairs"))


def _add_pairs(con: duckdb.DuckDBPyConnection, rule: Rule, budget: int, *, touched_only: bool) -> None:
    con.execute(f"CREATE OR REPLACE TEMP TABLE keyed AS {rule.select()}")
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE sizes AS
        SELECT key, count(*) AS size FROM keyed GROUP BY key HAVING count(*) BETWEEN 2 AND ?
        """,
        [LARGEST_BLOCK],
    )
    largest = number(
        con,
        """
        SELECT max(size) FROM (
            SELECT size, sum(sum(size * (size - 1) / 2)) OVER (ORDER BY size) AS pairs
            FROM sizes GROUP BY size
        ) WHERE pairs <= ?
        """,
        [budget],
    )
    touched = "AND (l.id IN (FROM touched) OR r.id IN (FROM touched))" if touched_only else ""
    con.execute(
        f"""
        INSERT INTO found
        WITH blocks AS (
            SELECT id, key FROM keyed WHERE key IN (SELECT key FROM sizes WHERE size <= {int(largest)})
        )
        SELECT l.id, r.id FROM blocks l JOIN blocks r ON l.key = r.key AND l.id < r.id {touched}
        """  # noqa: S608
    )
