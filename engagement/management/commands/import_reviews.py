"""`manage.py import_reviews FILE`: reviews from JSON Lines or CSV."""

from core.importing import ImportCommand
from engagement.channels.review.importing import KIND


class Command(ImportCommand):
    """The command."""

    help = "Import reviews from a .jsonl or .csv file; a later export brings what was edited since."
    kind = KIND
