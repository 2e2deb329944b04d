"""`manage.py import_orders FILE`: orders from CSV or JSON Lines."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from core.importing import ImportCommand
from crm.imports import KIND


class Command(ImportCommand):
    """The command."""

    help = "Import orders from a .csv or .jsonl file; a second run changes nothing."
    kind = KIND

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        about = "name of the shop; order and customer ids are its own"
        parser.add_argument("--source", default="import", help=about)

    def input_of(self, path: Path, options: dict[str, Any]) -> dict[str, Any]:
        return {"path": str(path), "source": options["source"]}
