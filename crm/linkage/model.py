"""The weights: splink on duckdb, trained on the data itself, without anybody's labels.

u, how often two customers agree by chance, is counted on random pairs. m, how often two records of one
customer agree, is found by expectation maximisation on blocked pairs, and drawn towards the first guesses of
`levels` where there is little to learn from. The share of true pairs is what makes the probabilities of all
candidates add up to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import log2
from typing import TYPE_CHECKING, Any

from crm.linkage.engine import number
from crm.linkage.levels import OTHER, Level, levels_of, missing
from crm.linkage.profiles import Field, Kind, Profile

if TYPE_CHECKING:
    import duckdb
    from splink import Linker

SEED = 20_261_122
THRESHOLD = 0.8
"""A pair of at least this probability is shown: one threshold for all data."""
SAMPLED_PAIRS = 250_000
PRIOR_PAIRS = 100_000
"""So many sampled pairs, the first guess of u is worth."""
PRIOR_MATCHES = 100
"""So many matches, the first guess of m is worth."""
LEAST_TRAINING_PAIRS, MOST_TRAINING_PAIRS = 300, 1_000_000
FIRST_SHARE = 0.05
LEAST_SHARE, MOST_SHARE = 0.001, 3.0
"""True pairs a record: the first guess, and what no data may leave."""
SMALLEST_U = 1e-8
FAINT = -7.0
"""Pairs of a smaller weight add nothing to the share of true pairs, and are not kept."""


@dataclass(frozen=True)
class Weights:
    """What was learnt: how often each level holds for matches and for others, and the share of matches."""

    levels: Mapping[str, Mapping[str, tuple[float, float]]]
    share: float


# Settings


def first_guess(profile: Profile, records: int) -> Weights:
    """The weights before anything was learnt."""
    levels: dict[str, dict[str, tuple[float, float]]] = {}
    for field in profile.fields:
        known = {one.code: (one.m, one.u) for one in levels_of(field)}
        known[OTHER] = (1 - sum(m for m, _u in known.values()), 1 - sum(u for _m, u in known.values()))
        levels[field.name] = known
    return Weights(levels, share_of(FIRST_SHARE * records, records))


def share_of(matches: float, records: int) -> float:
    """The share of matches among all pairs of so many records."""
    bounded = min(max(matches, LEAST_SHARE * records), MOST_SHARE * records)
    return min(bounded / max(records * (records - 1) / 2, 1), 0.5)


def settings_of(profile: Profile, weights: Weights, *, explain: bool = False) -> dict[str, Any]:
    """What splink is told; `explain` keeps the level and weight of each field beside the sum."""
    return {
        "link_type": "dedupe_only",
        "unique_id_column_name": "id",
        "probability_two_random_records_match": weights.share,
        "retain_matching_columns": explain,
        "retain_intermediate_calculation_columns": explain,
        "comparisons": [_comparison(field, weights.levels[field.name]) for field in profile.fields],
        "blocking_rules_to_generate_predictions": [],
    }


def _comparison(field: Field, known: Mapping[str, tuple[float, float]]) -> dict[str, Any]:
    nothing = {"sql_condition": missing(field), "label_for_charts": "missing", "is_null_level": True}
    told = [_level(one, known[one.code]) for one in levels_of(field)]
    other = _level(Level(OTHER, "ELSE", 0, 0), known[OTHER])
    return {"output_column_name": field.name, "comparison_levels": [nothing, *told, other]}


def _level(level: Level, known: tuple[float, float]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "sql_condition": level.condition,
        "label_for_charts": level.code,
        "m_probability": known[0],
        "u_probability": known[1],
        "fix_m_probability": level.fixed,
        "fix_u_probability": level.fixed,
    }
    if level.rare:
        told |= {"tf_adjustment_column": level.rare, "disable_tf_exact_match_detection": True}
    return told


def linker_for(
    con: duckdb.DuckDBPyConnection,
    profile: Profile,
    weights: Weights,
    *,
    table: str = "records",
    explain: bool = False,
) -> Linker:
    """Splink over a table of records, with the frequencies of `count_values`."""
    from splink import DuckDBAPI, Linker, SettingsCreator

    api = DuckDBAPI(con)
    settings = SettingsCreator.from_path_or_dict(settings_of(profile, weights, explain=explain))
    linker = Linker(api.register(table), settings, log_level=None, validate_settings=False)
    for column in rare_columns(profile):
        linker.table_management.register_term_frequency_lookup(api.register(f"tf_of_{column}"), column)
    return linker


# Frequencies


def rare_columns(profile: Profile) -> dict[str, int]:
    """The columns whose values are weighed by how rare they are, and how many values a small table hides."""
    found: dict[str, int] = {}
    for field in profile.fields:
        for level in levels_of(field):
            if level.rare:
                found[level.rare] = _UNSEEN[field.kind]
    return found


def count_values(con: duckdb.DuckDBPyConnection, profile: Profile) -> None:
    """How often each value is met in somebody else's record, for every column that `rare_columns` names.

    A value that two records of a hundred share is not borne by every fiftieth human being: as many other
    records as the kind has usual values are thought to be there too.
    """
    for column, unseen in rare_columns(profile).items():
        con.execute(
            f"""
            CREATE OR REPLACE TABLE tf_of_{column} AS
            SELECT {column}, (count(*) - 1 + 0.3) / (sum(count(*)) OVER () + {unseen})::DOUBLE AS tf_{column}
            FROM records WHERE {column} IS NOT NULL GROUP BY {column}
            """  # noqa: S608
        )


_UNSEEN = {
    Kind.NAME: 5_000,
    Kind.TITLE: 5_000,
    Kind.TEXT: 500,
    Kind.CODE: 500,
    Kind.AREA: 5,
}


# Training


def train(con: duckdb.DuckDBPyConnection, profile: Profile) -> Weights:
    """Learn u and m from the table `records`; the share of matches is left to `settle_share`."""
    records = int(number(con, "SELECT count(*) FROM records"))
    count_values(con, profile)
    guess = first_guess(profile, records)
    if records < 2:
        return guess
    linker = linker_for(con, profile, guess)
    linker.training.estimate_u_using_random_sampling(max_pairs=SAMPLED_PAIRS, seed=SEED)
    chance = _levels(linker.misc.save_model_to_json()["comparisons"])
    sessions = [found for rule in training_rules(profile) if (found := _session(con, linker, rule))]
    pairs = min(SAMPLED_PAIRS, records * (records - 1) // 2)
    levels = {
        field.name: _learnt(field, guess, chance[field.name], pairs, sessions) for field in profile.fields
    }
    return Weights(levels, guess.share)


def training_rules(profile: Profile) -> list[str]:
    """Blocks within which matches are common: each trains the fields it does not hold equal."""
    rules = [f"l.{one.name} = r.{one.name}" for one in profile.of_kind(Kind.NAME, Kind.TITLE, Kind.DATE)]
    places = [one.name for one in profile.of_kind(Kind.TEXT, Kind.CODE)]
    for year in profile.of_kind(Kind.YEAR):
        rules += [f"l.{year.name} = r.{year.name} AND l.{place} = r.{place}" for place in places]
    return rules


@dataclass(frozen=True)
class _Session:
    """What one run of expectation maximisation found, and on how many matches."""

    matches: float
    levels: Mapping[str, Mapping[str, tuple[float, float]]]


def _session(con: duckdb.DuckDBPyConnection, linker: Linker, rule: str) -> _Session | None:
    pairs = _block_pairs(con, rule)
    if pairs < LEAST_TRAINING_PAIRS:
        return None
    session = linker.training.estimate_parameters_using_expectation_maximisation(
        rule, max_pairs=MOST_TRAINING_PAIRS
    )
    found = session.core_model_settings
    levels = {
        one.output_column_name: {
            level.label_for_charts: (_told(level.m_probability), _told(level.u_probability))
            for level in one.comparison_levels
            if not level.is_null_level
        }
        for one in found.comparisons
    }
    share = float(found.probability_two_random_records_match)
    return _Session(share * min(pairs, MOST_TRAINING_PAIRS), levels)


def _block_pairs(con: duckdb.DuckDBPyConnection, rule: str) -> int:
    """How many pairs a training rule gives."""
    columns = [part.partition(" = ")[0].strip().removeprefix("l.") for part in rule.split(" AND ")]
    known = " AND ".join(f"{column} IS NOT NULL" for column in columns)
    query = f"""
        SELECT sum(n * (n - 1) / 2)
        FROM (SELECT count(*) AS n FROM records WHERE {known} GROUP BY {", ".join(columns)})
    """  # noqa: S608
    return int(number(con, query))


def _levels(comparisons: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, tuple[float, float]]]:
    return {
        one["output_column_name"]: {
            level["label_for_charts"]: (_told(level.get("m_probability")), _told(level.get("u_probability")))
            for level in one["comparison_levels"]
            if not level.get("is_null_level")
        }
        for one in comparisons
    }


def _learnt(
    field: Field,
    guess: Weights,
    chance: Mapping[str, tuple[float, float]],
    pairs: int,
    sessions: Sequence[_Session],
) -> dict[str, tuple[float, float]]:
    """m and u of each level: what was counted, drawn towards the first guess by what that is worth.

    Random pairs hold a few matches, which look like agreement by chance; their part is taken off u.
    """
    trained = [one for one in sessions if field.name in one.levels]
    matches = sum(one.matches for one in trained)
    fixed = {level.code for level in levels_of(field) if level.fixed}
    found: dict[str, tuple[float, float]] = {}
    for code, (m, u) in guess.levels[field.name].items():
        if code in fixed:
            found[code] = (m, u)
            continue
        seen = sum(one.matches * one.levels[field.name][code][0] for one in trained)
        likely = (seen + PRIOR_MATCHES * m) / (matches + PRIOR_MATCHES)
        counted = (chance[code][1] * pairs + u * PRIOR_PAIRS) / (pairs + PRIOR_PAIRS)
        found[code] = (likely, max(counted - guess.share * likely, counted / 20, SMALLEST_U))
    return found


def _told(value: Any) -> float:
    """A probability; splink writes a text for a level that no pair reached."""
    return float(value) if isinstance(value, int | float) else 0.0


# Scoring


def score(con: duckdb.DuckDBPyConnection, profile: Profile, weights: Weights) -> Weights:
    """Weigh the table `pairs` into `scored` (id_l, id_r, weight), and settle the share of matches.

    A weight is in bits and holds all evidence, without the share of matches.
    """
    linker = linker_for(con, profile, weights)
    found = _predict(linker, "pairs", FAINT)
    con.execute(
        f"""
        CREATE OR REPLACE TABLE scored AS
        SELECT id_l, id_r, match_weight - ({_bits(weights.share)}) AS weight FROM {found}
        """  # noqa: S608
    )
    con.execute(f"DROP TABLE {found}")
    records = int(number(con, "SELECT count(*) FROM records"))
    return replace(weights, share=settle_share(con, weights.share, records))


@dataclass(frozen=True)
class Weighed:
    """A pair, how likely it is one customer, and {field: (level, bits)} of the fields both have."""

    low: int
    high: int
    probability: float
    evidence: Mapping[str, tuple[str, float]]


def strongest(con: duckdb.DuckDBPyConnection, profile: Profile, weights: Weights, most: int) -> list[Weighed]:
    """The pairs of `scored` above the threshold, at most so many, strongest first, with evidence."""
    least = _bits(THRESHOLD) - _bits(weights.share)
    con.execute(
        """
        CREATE OR REPLACE TABLE shown AS
        SELECT '0' AS match_key, id_l AS join_key_l, id_r AS join_key_r FROM scored
        WHERE weight >= ? ORDER BY weight DESC, id_l, id_r LIMIT ?
        """,
        [least, most],
    )
    con.execute(
        """
        CREATE OR REPLACE TABLE shown_records AS
        SELECT * FROM records
        WHERE id IN (SELECT join_key_l FROM shown UNION SELECT join_key_r FROM shown)
        """
    )
    linker = linker_for(con, profile, weights, table="shown_records", explain=True)
    found = _predict(linker, "shown", None)
    columns = ", ".join(f"gamma_{one.name}, {_parts_of(one)}" for one in profile.fields)
    rows = con.execute(
        f"SELECT id_l, id_r, match_probability, {columns} FROM {found} ORDER BY match_weight DESC, id_l, id_r"  # noqa: S608
    ).fetchall()
    return [_weighed(profile, row) for row in rows]


def _predict(linker: Linker, pairs: str, least: float | None) -> str:
    """The table of the scored pairs."""
    pairs_table = linker._db_api.register(pairs)
    linker.table_management.register_blocked_pairs_for_predict(pairs_table)
    found = linker.inference.predict(threshold_match_weight=least, warning_mode="never")
    return str(found.physical_name)


def _parts_of(field: Field) -> str:
    rare = any(level.rare for level in levels_of(field))
    return f"mw_{field.name} + mw_tf_adj_{field.name}" if rare else f"mw_{field.name}"


def _weighed(profile: Profile, row: Sequence[Any]) -> Weighed:
    low, high, likely, *values = row
    evidence: dict[str, tuple[str, float]] = {}
    for field, level, bits in zip(profile.fields, values[::2], values[1::2], strict=True):
        codes = [OTHER, *(one.code for one in reversed(levels_of(field)))]
        if level >= 0:
            evidence[field.name] = (codes[level], float(bits))
    return Weighed(min(low, high), max(low, high), float(likely), evidence)


def _bits(share: float) -> float:
    """The odds of a probability, as bits."""
    return log2(share / (1 - share))


def settle_share(con: duckdb.DuckDBPyConnection, share: float, records: int) -> float:
    """The share of matches that the probabilities of the scored pairs add up to."""
    for _turn in range(30):
        prior = _bits(share)
        matches = number(con, "SELECT sum(1 / (1 + pow(2.0, -(weight + ?)))) FROM scored", [prior])
        again = share_of(matches, records)
        if abs(again - share) <= share / 100:
            break
        share = again
    return share


def probability(weight: float, share: float) -> float:
    """How likely a pair of this weight is one customer."""
    odds = share / (1 - share) * 2 ** min(weight, 900.0)
    return odds / (1 + odds)
