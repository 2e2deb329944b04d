"""How two values of a field can stand to each other, from the strongest agreement to none.

Each level has a code (which evidence puts into words), a condition in duckdb's SQL, and first guesses: how
often it holds for two records of one customer (m) and of two (u). Training replaces the guesses by what the
data shows, as far as there is enough of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from crm.linkage.normalizing import address_parts, name_parts
from crm.linkage.profiles import Field, Kind


@dataclass(frozen=True)
class Level:
    """One way in which two values can agree."""

    code: str
    condition: str
    m: float
    u: float
    rare: str = ""
    """The column whose frequency tells how much this agreement is worth."""
    fixed: bool = False
    """Nothing is learnt: it depends on another field, so that counting it would count that field twice."""


OTHER = "other"
"""The level of two values that do not agree at all."""

# Distances between lists: the closest pair of the two.
MACROS = (
    """
    CREATE OR REPLACE MACRO closest(a, b) AS list_min(list_transform(a, lambda x:
        list_min(list_transform(b, lambda y: damerau_levenshtein(x, y)))))
    """,
    "CREATE OR REPLACE MACRO alike(a, b) AS jaro_winkler_similarity(a, b) >= 0.9",
    # Digits of a handle are chosen to tell it from others: two that differ in them are not one misspelt.
    """
    CREATE OR REPLACE MACRO slip(x, y) AS damerau_levenshtein(x, y) <= 1
        AND regexp_replace(x, '[^0-9]', '', 'g') = regexp_replace(y, '[^0-9]', '', 'g')
    """,
    """
    CREATE OR REPLACE MACRO slipped(a, b) AS len(list_filter(a, lambda x:
        length(x) >= 7 AND len(list_filter(b, lambda y: slip(x, y))) > 0)) > 0
    """,
    """
    CREATE OR REPLACE MACRO same_end(a, b) AS list_has_any(
        list_transform(a, lambda x: right(x, 8)), list_transform(b, lambda y: right(y, 8)))
    """,
    """
    CREATE OR REPLACE MACRO within(a, b) AS list_has_all(string_split(a, ' '), string_split(b, ' '))
        OR list_has_all(string_split(b, ' '), string_split(a, ' '))
    """,
    "CREATE OR REPLACE MACRO begins(a, b) AS starts_with(a, b) OR starts_with(b, a)",
)


def missing(field: Field) -> str:
    """When nothing can be said: a side has no value."""
    unknown = _unknown(field)
    return f"{unknown} OR {field.within}_l = {field.within}_r" if field.within else unknown


def _unknown(field: Field) -> str:
    name = field.name
    if field.kind == Kind.ADDRESSES:
        return " OR ".join(
            " + ".join(f"len({part}_{side})" for part in address_parts(name)) + " = 0" for side in "lr"
        )
    if field.kind in (Kind.PHONES, Kind.DOMAINS):
        return f"len({name}_l) = 0 OR len({name}_r) = 0"
    if field.kind == Kind.DATE:
        return f"{name}_year_l IS NULL OR {name}_year_r IS NULL"
    return f"{name}_l IS NULL OR {name}_r IS NULL"


def levels_of(field: Field) -> tuple[Level, ...]:
    """The levels of a field, without those for nothing known and for no agreement at all."""
    return _LEVELS[field.kind](field.name)


def _name(name: str) -> tuple[Level, ...]:
    given, family, given_sound, family_sound = name_parts(name)
    g, f = f"{given}_l = {given}_r", f"{family}_l = {family}_r"
    crossed = f"alike({given}_l, {family}_r) AND alike({family}_l, {given}_r)"
    initial = f"(length({given}_l) = 1 OR length({given}_r) = 1) AND begins({given}_l, {given}_r)"
    return (
        Level("same", f"{name}_l = {name}_r", 0.62, 1e-5, name),
        Level("typo", f"length({name}_l) >= 7 AND damerau_levenshtein({name}_l, {name}_r) <= 1", 0.13, 1e-5),
        Level(
            "alike",
            f"(alike({given}_l, {given}_r) AND alike({family}_l, {family}_r)) OR ({crossed})"
            f" OR (length({name}_l) >= 14 AND damerau_levenshtein({name}_l, {name}_r) <= 2)",
            0.07, 2e-5,
        ),
        Level("initial", f"{f} AND {initial}", 0.03, 5e-5, family),
        Level("part", f"within({name}_l, {name}_r)", 0.03, 1e-4),
        Level("family", f"{f} OR {given}_l = {family}_r", 0.05, 2e-3, family),
        Level("given", f"{g} OR {family}_l = {given}_r", 0.04, 8e-3, given),
        Level(
            "sound",
            f"{family_sound}_l = {family_sound}_r OR {given_sound}_l = {given_sound}_r"
            f" OR {family_sound}_l = {given_sound}_r OR {given_sound}_l = {family_sound}_r",
            0.015, 1.5e-2,
        ),
    )  # fmt: skip


def _title(name: str) -> tuple[Level, ...]:
    return (
        Level("same", f"{name}_l = {name}_r", 0.6, 1e-5, name),
        Level("alike", f"jaro_winkler_similarity({name}_l, {name}_r) >= 0.93", 0.15, 1e-4),
        Level("part", f"within({name}_l, {name}_r)", 0.15, 5e-4),
    )


def _addresses(name: str) -> tuple[Level, ...]:
    mails, keys, dated, plain = address_parts(name)
    return (
        Level("same", f"list_has_any({mails}_l, {mails}_r)", 0.12, 1e-7),
        Level("key", f"list_has_any({keys}_l, {keys}_r)", 0.25, 5e-6),
        Level("alike", f"slipped({keys}_l, {keys}_r)", 0.08, 5e-6),
        Level("dated", _met(dated, keys), 0.16, 0.16 / 2**5, fixed=True),
        Level("plain", _met(plain, keys), 0.16, 0.16 / 2, fixed=True),
    )


def _met(made: str, keys: str) -> str:
    """The same part on both sides, which repeats the name of one at least: the other's may be misspelt."""
    pairs = ((made, made), (made, keys), (keys, made))
    return " OR ".join(f"list_has_any({left}_l, {right}_r)" for left, right in pairs)


def _phones(name: str) -> tuple[Level, ...]:
    return (
        Level("same", f"list_has_any({name}_l, {name}_r)", 0.3, 1e-7),
        Level("end", f"same_end({name}_l, {name}_r)", 0.05, 2e-7),
        Level("typo", f"closest({name}_l, {name}_r) <= 1", 0.15, 2e-6),
    )


def _domains(name: str) -> tuple[Level, ...]:
    return (Level("same", f"list_has_any({name}_l, {name}_r)", 0.7, 1e-5),)


def _text(name: str) -> tuple[Level, ...]:
    return (
        Level("same", f"{name}_l = {name}_r", 0.68, 1e-2, name),
        Level(
            "alike",
            f"jaro_winkler_similarity({name}_l, {name}_r) >= 0.92"
            f" OR (length({name}_l) >= 6 AND damerau_levenshtein({name}_l, {name}_r) <= 2)",
            0.12, 1e-2,
        ),
        Level("part", f"within({name}_l, {name}_r)", 0.04, 5e-3),
    )  # fmt: skip


def _code(name: str) -> tuple[Level, ...]:
    return (
        Level("same", f"{name}_l = {name}_r", 0.8, 2e-3, name),
        Level("alike", f"damerau_levenshtein({name}_l, {name}_r) <= 1", 0.1, 1e-2),
    )


def _area(name: str) -> tuple[Level, ...]:
    return (Level("same", f"{name}_l = {name}_r", 0.92, 0.3, name),)


def _date(name: str) -> tuple[Level, ...]:
    return (
        Level("same", f"{name}_l = {name}_r", 0.75, 5e-5),
        Level("typo", f"damerau_levenshtein({name}_l, {name}_r) <= 1", 0.12, 1e-3),
        Level("year", f"{name}_year_l = {name}_year_r", 0.08, 1.3e-2),
    )


def _year(name: str) -> tuple[Level, ...]:
    return (
        Level("same", f"{name}_l = {name}_r", 0.9, 2e-2),
        Level("near", f"abs({name}_l - {name}_r) <= 1", 0.03, 4e-2),
    )


_LEVELS = {
    Kind.NAME: _name,
    Kind.TITLE: _title,
    Kind.ADDRESSES: _addresses,
    Kind.PHONES: _phones,
    Kind.DOMAINS: _domains,
    Kind.TEXT: _text,
    Kind.CODE: _code,
    Kind.AREA: _area,
    Kind.DATE: _date,
    Kind.YEAR: _year,
}
