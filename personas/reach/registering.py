"""What this package makes known to the rest: a kind of file, and a step of the rebuild."""

from __future__ import annotations

from personas.reach.spend_files import register_spend_files


def register() -> None:
    """Called once, when the app is ready."""
    register_spend_files()
