"""Finds a Chromium for tests and pictures: the machine's own, or the one inside an npm package."""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

import brotli

from config.archives import unpack

NODE_MODULES = Path(__file__).resolve().parent.parent / "node_modules"
PACKAGE = NODE_MODULES / "@sparticuz" / "chromium"
INSTALLED = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARCHIVES = ("al2023", "fonts", "swiftshader")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--font-render-hinting=none",
    "--force-color-profile=srgb",
]


@dataclass(frozen=True)
class Chromium:
    """A browser's program, and what its environment must hold beside ours."""

    path: Path
    env: dict[str, str] = field(default_factory=dict)

    def launch_options(self) -> dict[str, object]:
        """Return what Playwright's `launch` takes."""
        return {
            "executable_path": str(self.path),
            "args": ARGUMENTS,
            "env": {**os.environ, **self.env},
            "headless": True,
        }


def find_chromium() -> Chromium:
    """Return a browser that runs here."""
    for name in INSTALLED:
        found = shutil.which(name)
        if found:
            return Chromium(Path(found))
    if not PACKAGE.exists():
        raise FileNotFoundError("no Chromium is installed, and node_modules has none: run `make install-dev`")
    return _unpacked()


def _unpacked() -> Chromium:
    version = json.loads((PACKAGE / "package.json").read_text())["version"]
    home = NODE_MODULES / f".chromium-{version}"
    if not home.exists():
        _unpack(home)
    libraries = os.pathsep.join(
        part for part in (str(home / "al2023" / "lib"), os.environ.get("LD_LIBRARY_PATH", "")) if part
    )
    return Chromium(
        home / "chromium",
        {"LD_LIBRARY_PATH": libraries, "FONTCONFIG_FILE": str(home / "fonts.conf"), "HOME": str(home)},
    )


def _unpack(home: Path) -> None:
    draft = home.with_name(f"{home.name}.{os.getpid()}")
    draft.mkdir(parents=True)
    program = draft / "chromium"
    program.write_bytes(brotli.decompress((PACKAGE / "bin" / "chromium.br").read_bytes()))
    program.chmod(0o755)
    for name in ARCHIVES:
        content = brotli.decompress((PACKAGE / "bin" / f"{name}.tar.br").read_bytes())
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            unpack(archive, draft / name)
    for library in (draft / "swiftshader").iterdir():
        library.rename(draft / library.name)
    (draft / "fonts.conf").write_text(_fonts(home))
    try:
        draft.rename(home)
    except OSError:  # another process was faster
        shutil.rmtree(draft)


def _fonts(home: Path) -> str:
    return f"""<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>{home}/fonts/fonts</dir>
  <dir>/usr/share/fonts</dir>
  <cachedir>{home}/font-cache</cachedir>
</fontconfig>
"""
