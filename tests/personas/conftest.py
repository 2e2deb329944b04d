"""Personas that tests of them begin with: two without members, or three fitted on their customers."""

from __future__ import annotations

import pytest

from core.models import Workspace
from crm.models import Customer
from personas import clustering
from personas.assigning import assign, fit_model
from personas.models import Persona, PersonaModel
from tests.personas.test_assigning import customers, work


@pytest.fixture
def personas(db: None) -> tuple[Persona, Persona]:
    Workspace.current()
    return tuple(Persona.objects.create(name=name, rank=place) for place, name in enumerate(("A", "B")))


@pytest.fixture
def quick_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models are tried on few resamples; jobs run when the test runs them."""
    monkeypatch.setattr(clustering, "BOOTSTRAPS", 5)
    monkeypatch.setattr("core.jobs._enqueue", lambda pk, kind: None)


@pytest.fixture
def three(db: None, quick_fits: None) -> list[list[Customer]]:
    """Customers of three kinds, forty each, and a persona for each kind."""
    made = [customers(kind, 40) for kind in range(3)]
    assign(work(everybody=True))
    return made


@pytest.fixture
def waiting(three: list[list[Customer]]) -> PersonaModel:
    """Another model of the same customers, which nobody has taken."""
    found = fit_model(work(1, everybody=True), reason="by hand")
    assert found is not None
    return found
