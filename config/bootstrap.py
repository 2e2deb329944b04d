"""Sets an installation up before any library is there: a virtual environment and what goes into it.

Run by the Makefile with whatever `python3` is, so it imports only the standard library, and its syntax is
one that an old Python can read far enough to be told so.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from typing import NoReturn

LEAST = (3, 11)
BASE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(BASE, ".venv")
PYTHON = os.path.join(VENV, "bin", "python")


def main() -> None:
    """Set up for running (`run`) or for tests as well (`dev`)."""
    use_good_python()
    dev = sys.argv[1:] == ["dev"]
    make_venv()
    install_libraries("requirements-dev.txt" if dev else "requirements.txt")
    fetch_assets(dev)


def succeeds(*command: str) -> bool:
    """Tell whether a program does its work."""
    return subprocess.call(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0


def fail(message: str) -> NoReturn:
    """Say in one line what is wrong and what to do."""
    sys.exit("Error: " + message)


def use_good_python() -> None:
    """Go on with a newer Python of this machine when ours is too old."""
    if sys.version_info[:2] >= LEAST:
        return
    for minor in range(14, LEAST[1] - 1, -1):
        other = shutil.which(f"python3.{minor}")
        if other and succeeds(other, "-c", "pass"):
            os.execv(other, [other, *sys.argv])  # noqa: S606
    fail(
        f"Rapport needs Python {dotted(LEAST)} or newer, this is {dotted(sys.version_info[:2])}: "
        "install one, or name it with `make PYTHON=/path/to/python3.11 run`."
    )


def dotted(version: tuple) -> str:
    """Return a version as people write it."""
    return ".".join(str(part) for part in version)


def make_venv() -> None:
    """Make the virtual environment; one that a moved or removed Python broke is made anew."""
    whole = os.path.exists(PYTHON) and os.path.exists(os.path.join(VENV, "bin", "pip"))
    if whole and succeeds(PYTHON, "-S", "-c", "pass"):
        return
    try:
        import ensurepip  # noqa: F401
        import venv
    except ImportError:
        fail(
            "this Python has no venv module: install it "
            f"(Debian, Ubuntu: apt install python{dotted(sys.version_info[:2])}-venv)."
        )
    say("Making a virtual environment in .venv ...")
    try:
        venv.create(VENV, clear=True, with_pip=True)
    except (OSError, subprocess.CalledProcessError) as error:
        fail(f"the virtual environment {VENV} cannot be made: {error}.")


def install_libraries(requirements: str) -> None:
    """Install the pinned libraries, unless this was done for exactly these lists."""
    stamp = os.path.join(VENV, "rapport-installed")
    wanted = digest("requirements.txt", requirements)
    if read(stamp) in (wanted, digest("requirements.txt", "requirements-dev.txt")):
        return
    say("Installing libraries (the first time takes a few minutes) ...")
    log = os.path.join(VENV, "install.log")
    pip = [PYTHON, "-m", "pip", "install", "--disable-pip-version-check"]
    with open(log, "w") as output:
        code = subprocess.call(
            [*pip, "-r", os.path.join(BASE, requirements)], stdout=output, stderr=subprocess.STDOUT
        )
    if code:
        lines = [line.strip() for line in read(log).splitlines() if "ERROR" in line]
        fail(f"the libraries cannot be installed: {(lines or ['see the log'])[-1]} (all of it: {log})")
    write(stamp, wanted)


def fetch_assets(dev: bool) -> None:
    """Fetch the browser libraries, unless this was done for exactly this lock file."""
    stamp = os.path.join(BASE, "node_modules", ".rapport-fetched")
    wanted = digest("package-lock.json")
    if read(stamp) in ((wanted + "+dev",) if dev else (wanted, wanted + "+dev")):
        return
    say("Fetching browser libraries ...")
    code = subprocess.call([PYTHON, "-m", "config.assets"] + (["--dev"] if dev else []), cwd=BASE)
    if code:
        sys.exit(code)
    write(stamp, wanted + ("+dev" if dev else ""))


def digest(*names: str) -> str:
    """Return a hash of the named files and of the Python that they are for."""
    whole = hashlib.sha256(dotted(sys.version_info[:2]).encode())
    for name in sorted(set(names)):
        with open(os.path.join(BASE, name), "rb") as file:
            whole.update(file.read())
    return whole.hexdigest()


def read(path: str) -> str:
    """Return a file's text; empty when there is none."""
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


def write(path: str, text: str) -> None:
    """Write a small file."""
    with open(path, "w") as file:
        file.write(text)


def say(text: str) -> None:
    """Tell the person who waits."""
    print(text)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
