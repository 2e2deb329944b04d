"""Runs measurements: those named on the command line, or all; `make bench NAME=ingest`.

Each is a file beside this one that prints `figure: value` a line and ends with another code than 0 when it
misses its bound.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
BASE_DIR = HERE.parent
NOT_MEASUREMENTS = {"run", "__init__"}


def known() -> list[str]:
    """Return the names of all measurements."""
    names = (path.stem for path in HERE.glob("*.py"))
    return sorted(name for name in names if name not in NOT_MEASUREMENTS and not name.startswith("_"))


def main() -> int:
    """Bring the database up to date, run each measurement and return how many missed a bound."""
    names = sys.argv[1:] or known()
    unknown = set(names) - set(known())
    if unknown:
        print(
            f"Error: no measurement is called {', '.join(sorted(unknown))}; there are {', '.join(known())}."
        )
        return 2
    subprocess.run([sys.executable, "manage.py", "migrate", "--noinput", "-v", "0"], cwd=BASE_DIR, check=True)
    missed = [name for name in names if not _run(name)]
    if missed:
        print(f"missed: {', '.join(missed)}")
    return len(missed)


def _run(name: str) -> bool:
    print(f"== {name}", flush=True)
    return (
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], cwd=BASE_DIR, check=False).returncode
        == 0
    )


if __name__ == "__main__":
    sys.exit(main())
