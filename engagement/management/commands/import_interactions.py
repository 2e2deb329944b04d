"""`manage.py import_interactions FILE`: interactions from JSON Lines or CSV."""

from core.importing import ImportCommand
from engagement.imports import KIND


class Command(ImportCommand):
    """The command."""

    help = "Import interactions from a .jsonl or .csv file; a second run changes nothing."
    kind = KIND
