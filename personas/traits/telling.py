"""The documentation of every trait, made from the catalogue: `docs/traits.md`."""

from __future__ import annotations

from collections.abc import Iterator

from personas.traits.catalogue import CATALOGUE, WINDOWS
from personas.traits.sources import SOURCES
from personas.traits.trait import Trait

TYPES = {
    "count": "number",
    "share": "share, 0 to 1",
    "mean": "number",
    "money": "money",
    "time": "time",
    "text": "text",
    "year": "year",
    "hour": "hour, 0 to 23",
    "weekday": "1 (Monday) to 7",
}
HEAD = """# Traits

One row a customer, computed every night from what they said, were told and bought. This page is made from the
catalogue in `personas/traits/` by `python manage.py trait_docs`; a test holds it to it. To add one:
[Adding a trait](adding-a-trait.md).

- An interaction counts when it is inbound and not deleted: a message, comment, mention, review or call.
  Visits and survey answers are counted by themselves. One public post that reached several of our accounts
  counts once.
- A purchase is a paid or refunded order; money is in the workspace's currency, and an order without an
  exchange rate is left out of sums.
- Windows are local days of the workspace, as in rules and dashboards: figures of one day agree everywhere.
- Hours and weekdays are those of the customer's own zone: that on the record where it is the name of one,
  else that of the country where all of it keeps one time (by the IANA database), else the workspace's.
- Counts and money are 0 when there is nothing; everything else is unknown then.
- Each has a place on the customer's page (under "Computed facts", or with the record), a field in rules
  (shares in percent) and one in `GET /api/v1/customers/{id}/traits/`. Which of them personas are found by
  stands in `personas/features.py`.
"""


def page() -> str:
    """The whole page."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield HEAD
    yield f"There are {len(CATALOGUE)}, with windows of {_listed(WINDOWS)} days."
    for group in dict.fromkeys(trait.group for trait in CATALOGUE):
        yield f"\n## {group}\n"
        yield "| name | is | type | computed from | rule field |"
        yield "|---|---|---|---|---|"
        for trait in CATALOGUE:
            if trait.group == group:
                yield _row(trait)
    yield "\n## What they are computed from\n"
    yield "| source | one row is |"
    yield "|---|---|"
    for source in SOURCES.values():
        yield f"| `{source.name}` (`personas/sql/from_{source.name}.sql`) | {source.told} |"
    yield ""


def _row(trait: Trait) -> str:
    kind = "money" if trait.unit == "money" else TYPES[trait.type]
    unit = f", {trait.unit}" if trait.unit not in ("", "money") else ""
    return (
        f"| `{trait.name}` | **{trait.label}**. {trait.description} | {kind}{unit} | `{trait.source}` "
        f"| `{trait.rule_field}` |"
    )


def _listed(numbers: tuple[int, ...]) -> str:
    *most, last = map(str, numbers)
    return f"{', '.join(most)} and {last}"
