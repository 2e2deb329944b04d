#!/usr/bin/env python
"""Django's command line for Rapport; what a person can mend is said in one line."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import OperationalError


def main() -> None:
    """Run the command of the command line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"Error: {error}")
    except PermissionError as error:
        sys.exit(f"Error: {error.filename} cannot be written: give it to this user, or set VAR_DIR.")
    except OperationalError as error:
        sys.exit(f"Error: the database does not answer: {_hint(str(error).strip())}")


def _hint(reason: str) -> str:
    """Say what to do about a database that does not answer."""
    if os.environ.get("DATABASE_URL"):
        return f"{reason} (DATABASE_URL)"
    return "start Rapport in another terminal with `make run`, or set DATABASE_URL."


if __name__ == "__main__":
    main()
