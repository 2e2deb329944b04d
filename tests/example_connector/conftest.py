"""Makes the example an installed package for the tests in this folder, and for no others."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from engagement import channels

HERE = Path(__file__).parent
# Its modules can be imported while tests are collected; it counts as installed only during a test.
sys.path.insert(0, str(HERE))


@pytest.fixture(autouse=True)
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What an installer would have written beside the modules."""
    told = tomllib.loads((HERE / "pyproject.toml").read_text())["project"]
    info = tmp_path / "site" / f"rapport_lantern-{told['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {told['name']}\nVersion: {told['version']}\n"
    )
    points = told["entry-points"]["rapport.channels"]
    lines = [f"{name} = {value}" for name, value in points.items()]
    (info / "entry_points.txt").write_text("\n".join(["[rapport.channels]", *lines]) + "\n")
    monkeypatch.syspath_prepend(str(info.parent))
    channels.connector.cache_clear()
    yield
    channels.connector.cache_clear()
