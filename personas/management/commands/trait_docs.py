"""`manage.py trait_docs`: write docs/traits.md from the catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from personas.traits.telling import page


class Command(BaseCommand):
    """The page of every trait."""

    help = "Write docs/traits.md from the catalogue of traits."

    def handle(self, *args: Any, **options: Any) -> None:
        """Write it."""
        place = Path(settings.BASE_DIR) / "docs" / "traits.md"
        place.write_text(page(), encoding="utf-8")
        self.stdout.write(f"{place}")
