"""Fetches the packages of package-lock.json into node_modules/, without Node.js.

Each package comes from npm's registry as it is configured here, and is taken only when its bytes have the
hash that the lock file gives.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import shutil
import ssl
import sys
import tarfile
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from config.archives import unpack
from config.places import BASE_DIR

DEFAULT_REGISTRY = "https://registry.npmjs.org"
NODE_MODULES = BASE_DIR / "node_modules"
TRIES = 3


class AssetError(Exception):
    """A package could not be had, in words for the person who runs the set-up."""


@dataclass(frozen=True)
class Package:
    """One package as the lock file pins it; `place` is its folder below the project."""

    place: str
    version: str
    integrity: str
    dev: bool

    @property
    def name(self) -> str:
        """Return the package's name with its scope."""
        return self.place.rpartition("node_modules/")[2]

    def url(self, registry: str) -> str:
        """Return where the registry keeps the package's archive."""
        return f"{registry}/{self.name}/-/{self.name.rpartition('/')[2]}-{self.version}.tgz"


def locked_packages() -> list[Package]:
    """Read the lock file."""
    lock = json.loads((BASE_DIR / "package-lock.json").read_text())
    return [
        Package(place, entry["version"], entry["integrity"], bool(entry.get("dev")))
        for place, entry in lock["packages"].items()
        if place and not entry.get("optional")
    ]


def registry() -> str:
    """Return npm's registry: from the environment, from .npmrc, or npm's own default."""
    for name in ("npm_config_registry", "NPM_CONFIG_REGISTRY"):
        if os.environ.get(name):
            return os.environ[name].rstrip("/")
    for folder in (BASE_DIR, Path.home()):
        found = _registry_of(folder / ".npmrc")
        if found:
            return found.rstrip("/")
    return DEFAULT_REGISTRY


def _registry_of(path: Path) -> str:
    if not path.is_file():
        return ""
    pairs = [line.partition("=") for line in path.read_text().splitlines()]
    return next((value.strip() for key, _, value in pairs if key.strip() == "registry"), "")


def install(*, dev: bool = False) -> int:
    """Bring node_modules/ to what the lock file says and return how many packages were fetched."""
    missing = [p for p in locked_packages() if (dev or not p.dev) and not _is_there(p)]
    source, context = registry(), _tls()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda package: _fetch(package, source, context), missing))
    return len(missing)


def _is_there(package: Package) -> bool:
    try:
        manifest = json.loads((BASE_DIR / package.place / "package.json").read_text())
    except (FileNotFoundError, ValueError):
        return False
    return bool(manifest.get("version") == package.version)


def _tls() -> ssl.SSLContext:
    """Trust what this machine trusts; where it brings no certificates at all, those that pip brings."""
    context = ssl.create_default_context()
    if not context.get_ca_certs() and not os.environ.get("SSL_CERT_DIR"):
        import certifi

        context.load_verify_locations(certifi.where())
    return context


def _fetch(package: Package, source: str, context: ssl.SSLContext) -> None:
    content = _download(package.url(source), context)
    if not _matches(content, package.integrity):
        raise AssetError(f"{package.name} {package.version} does not have the hash of package-lock.json.")
    _unpack(content, BASE_DIR / package.place)


def _download(url: str, context: ssl.SSLContext) -> bytes:
    for attempt in range(1, TRIES + 1):
        try:
            with urllib.request.urlopen(url, timeout=60, context=context) as answer:  # noqa: S310
                return bytes(answer.read())
        except (urllib.error.URLError, OSError) as error:
            if attempt == TRIES:
                raise AssetError(f"{url} cannot be fetched ({error}): is the network there?") from error
            time.sleep(attempt)
    raise AssertionError("unreachable")


def _matches(content: bytes, integrity: str) -> bool:
    """Compare with the strongest hash that npm writes (`sha512-<base64>`)."""
    algorithm, _, expected = integrity.partition("-")
    return algorithm == "sha512" and hashlib.sha512(content).digest() == base64.b64decode(expected)


def _unpack(content: bytes, target: Path) -> None:
    """Unpack beside the target and put it in place in one step; a package's files lie under one folder."""
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        unpack(archive, draft, strip=1)
    shutil.rmtree(target, ignore_errors=True)
    draft.rename(target)


def main() -> None:
    """Fetch what is missing; with --dev also what tests need."""
    try:
        count = install(dev="--dev" in sys.argv[1:])
    except AssetError as error:
        sys.exit(f"Error: {error}")
    print(f"Browser libraries: {count} fetched")


if __name__ == "__main__":
    main()
