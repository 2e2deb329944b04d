"""Writes every stored secret anew with RAPPORT_KEY, so that RAPPORT_OLD_KEYS may go."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.rotating import rotate_all


class Command(BaseCommand):
    """`manage.py rotate_key [--check]`."""

    help = "Encrypt every stored secret anew with RAPPORT_KEY; it may be ended and run again at any time."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="only count what an old key holds")

    def handle(self, *args: Any, check: bool, **options: Any) -> None:
        moved = unreadable = 0
        for place in rotate_all(write=not check):
            word = "under an old key" if check else "encrypted anew"
            self.stdout.write(
                f"{place.place}: {place.found} stored, {place.moved} {word}, {place.unreadable} unreadable"
            )
            moved, unreadable = moved + place.moved, unreadable + place.unreadable
        if unreadable:
            raise CommandError(
                f"{unreadable} secrets can be read by no key given: add the key they were written with to "
                "RAPPORT_OLD_KEYS."
            )
        if check and moved:
            raise CommandError(f"{moved} secrets still need RAPPORT_OLD_KEYS.")
        self.stdout.write(self.style.SUCCESS("RAPPORT_KEY alone reads everything."))
