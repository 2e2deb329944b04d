"""Where things lie on this machine, and the few values that must be known before Django is."""

from __future__ import annotations

import os
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
OWNER_ONLY = 0o600
FERNET_BYTES = 32


def var_dir() -> Path:
    """Return the folder of everything that this installation writes."""
    return Path(os.environ.get("VAR_DIR") or BASE_DIR / "var").resolve()


def servers_file() -> Path:
    """Return the file in which running embedded servers leave their addresses."""
    return var_dir() / "run" / "servers.env"


def read_servers() -> dict[str, str]:
    """Return the addresses of the embedded servers as last written; empty when none were started."""
    try:
        lines = servers_file().read_text().splitlines()
    except FileNotFoundError:
        return {}
    return dict(line.split("=", 1) for line in lines if "=" in line)


def new_token() -> str:
    """Return a random secret that is safe in URLs and files."""
    return secrets.token_urlsafe(48)


def new_fernet_key() -> str:
    """Return a random key in the form that Fernet wants."""
    return urlsafe_b64encode(secrets.token_bytes(FERNET_BYTES)).decode()


def is_fernet_key(value: str) -> bool:
    """Tell whether Fernet will take it."""
    try:
        return len(urlsafe_b64decode(value)) == FERNET_BYTES
    except ValueError:
        return False


def secret(name: str, make: Callable[[], str] = new_token) -> str:
    """Return the secret kept in `var/secrets/<name>`, made on first use and readable by its owner only."""
    path = var_dir() / "secrets" / name
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return _keep(path, make())


def _keep(path: Path, value: str) -> str:
    """Write a secret whole or not at all; whoever comes second takes the value of the first."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY), "w") as file:
        file.write(value + "\n")
    try:
        os.link(draft, path)
    except FileExistsError:
        return path.read_text().strip()
    finally:
        draft.unlink()
    return value


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, replacing it in one step."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY), "w") as file:
        file.write(text)
    draft.replace(path)
