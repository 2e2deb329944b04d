"""Which personas a new model continues: by the customers they share, or else by where their centers lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from personas.measuring import Floats

if TYPE_CHECKING:
    from personas.clustering import FittedModel

LEAST_SHARED = 0.25
"""How far above chance, 0 to 1, the customers of two groups must agree for one to continue the other."""


def match_members(shared: Floats, before: Floats, after: Floats) -> dict[int, int]:
    """New group to the old one it continues: the assignment that keeps most customers together.

    `shared[new, old]` counts customers in both, `before` and `after` the sizes of old and new groups among
    the same customers. Agreement is the Jaccard index above what groups of these sizes share by chance, and
    the pair continues nothing below `LEAST_SHARED`.
    """
    from scipy.optimize import linear_sum_assignment

    total = shared.sum()
    if not total:
        return {}
    agreed = shared / np.maximum(after[:, None] + before[None] - shared, 1)
    common = after[:, None] * before[None] / total
    chance = common / np.maximum(after[:, None] + before[None] - common, 1e-12)
    above = (agreed - chance) / np.maximum(1 - chance, 1e-12)
    pairs = zip(*linear_sum_assignment(-above), strict=True)
    return {int(new): int(old) for new, old in pairs if _continues(above[new, old], agreed[new, old])}


def _continues(above: float, agreed: float) -> bool:
    # two groups that both hold everybody agree no more than chance has it, and are the same
    return bool(above >= LEAST_SHARED or agreed > 0.99)


def match_personas(old: FittedModel, new: FittedModel) -> dict[int, int]:
    """New cluster to the old one it continues, by optimal assignment of centers.

    For models whose customers are not known. Compared in the features both have, in units of the new model.
    A new cluster further from the old one than new clusters lie from each other on average continues nothing
    and is left out.
    """
    from scipy.optimize import linear_sum_assignment

    shared = [name for name in new.features if name in old.features]
    if not shared:
        return {}
    before = _natural(old, shared)
    after = _natural(new, shared)
    scale = np.array([new.scale[new.features.index(name)] for name in shared])
    gaps = np.sqrt((((after[:, None] - before[None]) / scale) ** 2).sum(axis=2))
    among = np.sqrt((((after[:, None] - after[None]) / scale) ** 2).sum(axis=2))
    limit = among.sum() / max(1, new.k * (new.k - 1))
    return {
        int(one): int(other)
        for one, other in zip(*linear_sum_assignment(gaps), strict=True)
        if gaps[one, other] < limit
    }


def _natural(model: FittedModel, names: Sequence[str]) -> Floats:
    """Centers in the features' own units."""
    used = [model.features.index(name) for name in names]
    centers = np.array(model.centers) * np.array(model.scale) + np.array(model.mean)
    return centers[:, used]
