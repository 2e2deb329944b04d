"""Two personas, for tests of what is told of one beside the other."""

from __future__ import annotations

import pytest

from core.models import Workspace
from personas.models import Persona


@pytest.fixture
def personas(db: None) -> tuple[Persona, Persona]:
    Workspace.current()
    return tuple(Persona.objects.create(name=name, rank=place) for place, name in enumerate(("A", "B")))
