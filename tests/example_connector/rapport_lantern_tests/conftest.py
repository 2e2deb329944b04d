"""The cast of Rapport's own tests; run from its checkout, these are found."""

from __future__ import annotations

from tests.conftest import _own_place, staff

__all__ = ["_own_place", "staff"]
