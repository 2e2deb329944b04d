"""Personas on real purchases: neither the order of the customers nor their ids decide about them."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from benchmarks.stability import load_cdnow, off_by_noise, rand, replaced, traits
from personas.clustering import FittedModel, fit, nearest

pytestmark = [pytest.mark.django_db, pytest.mark.peer]


def test_cdnow_gives_the_same_personas_in_another_order_with_other_ids() -> None:
    load_cdnow()
    frame = traits(datetime(1998, 7, 1, tzinfo=UTC))
    assert len(frame) == 23_570
    model = fit(frame)
    assert isinstance(model, FittedModel)
    assert min(model.reliability) >= 0.75
    shuffled = frame.sample(frac=1, random_state=3)
    renumbered = shuffled.set_axis(np.arange(5_000_000, 5_000_000 + len(frame)), axis=0)
    again = fit(renumbered)
    assert isinstance(again, FittedModel)
    assert rand(nearest(frame, model), nearest(frame, again)) >= 0.99


def test_noise_changes_what_it_says_and_nothing_else() -> None:
    load_cdnow()
    frame = traits(datetime(1998, 7, 1, tzinfo=UTC))
    chance = np.random.default_rng(1)
    noisy = off_by_noise(frame, chance)
    told = frame["average_order"] > 0
    ratio = (noisy["average_order"] / frame["average_order"])[told]
    assert 0.008 < float(ratio.std()) < 0.012
    assert (noisy["first_seen_at"] == frame["first_seen_at"]).all()
    other = replaced(frame, chance)
    differ = (other["first_seen_at"] != frame["first_seen_at"]).mean()
    assert list(other.index) == list(frame.index)
    assert 0.005 < float(differ) <= 0.01
