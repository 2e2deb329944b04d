"""What traits are computed from, and the one statement that computes them all.

A source is a SELECT in `personas/sql/from_<name>.sql` over what one batch of customers said, was told and
bought. The statement has one aggregate SELECT a source, which reads it once, and joins them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from core.sql import statement
from personas.traits.catalogue import CATALOGUE
from personas.traits.trait import WINDOW, Trait


@dataclass(frozen=True)
class Source:
    """Rows with a customer_id, and days_ago where a trait of it has a window. `told` says what a row is."""

    name: str
    told: str
    one_each: bool = False
    """Whether it holds exactly one row a customer, so that expressions are plain."""


SOURCES: Mapping[str, Source] = MappingProxyType(
    {
        source.name: source
        for source in (
            Source("said", "an inbound message, comment, mention, review or call"),
            Source("topic", "a topic of such an interaction, hashtags aside"),
            Source("visited", "a visit to a page or app screen"),
            Source("surveyed", "an answer to a survey"),
            Source("written", "a message, comment, mention, review or call of ours in their conversations"),
            Source("answered", "a message of ours, the last of several in a row, and how soon they answered"),
            Source("reached", "somebody else's public line in a conversation that they began"),
            Source("contacted", "a message to them in the contact ledger"),
            Source("touched", "an interaction, a visit or an order"),
            Source("timed", "an interaction or an order, at its time in their own zone"),
            Source("bought", "a paid or refunded order"),
            Source("product", "a product in an order, and since when they know it"),
            Source("category", "an order line with a category"),
            Source("consent", "their newest answer for a purpose"),
            Source("identity", "a handle, address or number of theirs"),
            Source("tagged", "a tag on them"),
            Source("referred", "a customer they brought"),
            Source("customer", "the record itself", one_each=True),
        )
    }
)


LARGEST = "999999999999.99"
"""The most that a column of money holds; what came to more would end the rebuild of everybody."""


@cache
def traits_statement() -> str:
    """One row for each customer of the batch: customer_id, then the catalogue. Its parameter is %(today)s."""
    parts = [_part(source) for source in SOURCES.values() if source.name != "customer"]
    columns = ",\n    ".join(f"{_column(trait)} AS {trait.name}" for trait in CATALOGUE)
    joins = "\n".join(
        f"LEFT JOIN {name} ON {name}.customer_id = customer.customer_id"
        for name in SOURCES
        if name != "customer"
    )
    return (
        f"WITH {', '.join(parts)}\n"
        f"SELECT customer.customer_id,\n    {columns}\n"
        f"FROM (\n{statement('personas', 'from_customer')}) AS customer\n{joins}"
    )


def _part(source: Source) -> str:
    """The aggregate SELECT of one source."""
    own = [trait for trait in CATALOGUE if trait.source == source.name]
    found = ",\n    ".join(f"{_expression(trait)} AS {trait.name}" for trait in own)
    return (
        f"{source.name} AS (\nSELECT customer_id,\n    {found}\n"
        f"FROM (\n{statement('personas', f'from_{source.name}')}) AS {source.name}\nGROUP BY customer_id\n)"
    )


def _column(trait: Trait) -> str:
    if SOURCES[trait.source].one_each:
        return _expression(trait)
    value = f"{trait.source}.{trait.name}"
    if trait.type == "money":
        return f"greatest(least(coalesce({value}, 0), {LARGEST}), -{LARGEST})"
    return f"coalesce({value}, 0)" if trait.is_zero_when_empty else value


def _expression(trait: Trait) -> str:
    """The trait's SQL with its windows: a window of d days holds days_ago from 0 to d - 1."""
    return WINDOW.sub(lambda found: f"days_ago BETWEEN 0 AND {int(found[1]) - 1}", trait.sql)
