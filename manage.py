#!/usr/bin/env python
"""Django's command line for Rapport; what a person can mend is said in one line."""

import os
import sys
from pathlib import Path

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
    except (PermissionError, NotADirectoryError) as error:
        if not _is_in_var(error.filename):
            raise
        sys.exit(
            f"Error: {error.filename} is not writable, or not readable ({error.strerror}): "
            "give it to this user, or set VAR_DIR."
        )
    except OperationalError as error:
        sys.exit(f"Error: the database does not answer: {_hint(str(error).strip())}")


def _is_in_var(path: object) -> bool:
    """Tell whether a path lies where this installation keeps its data."""
    from config.places import var_dir

    return isinstance(path, str) and Path(path).is_relative_to(var_dir())


def _hint(reason: str) -> str:
    """Say what to do about a database that does not answer."""
    if os.environ.get("DATABASE_URL"):
        return f"{reason} (DATABASE_URL)"
    return "start Rapport in another terminal with `make run`, or set DATABASE_URL."


if __name__ == "__main__":
    main()
