"""Every trait, in the order of its groups; `personas.traits.trait` has the terms of the descriptions."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from personas.traits.activity import ACTIVITY
from personas.traits.being import BEING
from personas.traits.buying import BUYING
from personas.traits.speaking import SPEAKING
from personas.traits.trait import Trait

__all__ = ["BY_NAME", "CATALOGUE", "WINDOWS", "Trait"]

CATALOGUE: tuple[Trait, ...] = (*ACTIVITY, *SPEAKING, *BUYING, *BEING)
BY_NAME: Mapping[str, Trait] = MappingProxyType({trait.name: trait for trait in CATALOGUE})
WINDOWS: tuple[int, ...] = tuple(sorted({days for trait in CATALOGUE for days in trait.windows}))
"""Days after which something leaves a window of some trait: who crosses such an edge is looked at again."""
