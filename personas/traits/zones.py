"""In which time zone a customer lives, as far as we know.

The zone on the record where it is the name of one; else that of the country, where all of the country keeps
the same time; else the workspace's. Which countries have which zones stands in the IANA database (`zone.tab`,
from the package tzdata).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django.db import connection

FIRST = datetime(2015, 1, 1, tzinfo=UTC)
"""Zones of one country are one where their clocks agree from then on, for fifteen years."""
SAMPLES, APART = 1_100, timedelta(days=5)


@cache
def country_zones() -> Mapping[str, str]:
    """The zone of each country (two letters) that has only one time; its biggest place names it."""
    named: dict[str, list[str]] = {}
    for line in files("tzdata").joinpath("zoneinfo", "zone.tab").read_text("utf-8").splitlines():
        if not line.startswith("#"):
            country, _place, zone = line.split("\t")[:3]
            named.setdefault(country, []).append(zone)
    return MappingProxyType({country: zones[0] for country, zones in named.items() if _agree(zones)})


def _agree(names: Sequence[str]) -> bool:
    """Whether clocks in all these zones show the same time."""
    first, *others = (ZoneInfo(name) for name in names)
    moments = [FIRST + APART * place for place in range(SAMPLES)] if others else []
    return all(
        at.astimezone(first).utcoffset() == at.astimezone(other).utcoffset()
        for other in others
        for at in moments
    )


@cache
def zone_names() -> tuple[str, ...]:
    """Zones that both Python and the database know: any other name would stop a statement."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM pg_timezone_names")
        known = {row[0] for row in cursor.fetchall()}
    return tuple(sorted(known & available_timezones()))


def zone_parameters(workspace: str) -> dict[str, Any]:
    """What a statement finds everybody's zone by, as `next_batch.sql` does."""
    valid = set(zone_names())
    countries = {country: zone for country, zone in country_zones().items() if zone in valid}
    return {
        "zone": workspace,
        "zones": list(zone_names()),
        "countries": list(countries),
        "country_zones": list(countries.values()),
    }
