"""What countries are called: two letters on a record, a name wherever a person reads it.

Names are the first of each that an import knows, else those of the IANA database (`iso3166.tab`, from the
package tzdata).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from crm.imports.cells import COUNTRIES


@cache
def country_names() -> Mapping[str, str]:
    """Every country by its two letters, in the order of names."""
    found: dict[str, str] = {}
    for name, code in COUNTRIES.items():
        found.setdefault(code, name.title())
    for line in files("tzdata").joinpath("zoneinfo", "iso3166.tab").read_text("utf-8").splitlines():
        if not line.startswith("#"):
            code, name = line.split("\t")
            found.setdefault(code, name)
    return MappingProxyType(dict(sorted(found.items(), key=lambda pair: pair[1])))


def country_name(code: str) -> str:
    """Luxembourg for LU; the code itself where there is no such country."""
    return country_names().get(code, code)
