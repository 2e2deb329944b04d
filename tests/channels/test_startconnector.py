"""`manage.py startconnector`: what it writes is a connector that works."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

import engagement.channels
from engagement import channels
from tests.channels import test_contract

NAME = "sky_writer"


def start(name: str = NAME, **options: object) -> str:
    told = io.StringIO()
    call_command("startconnector", name, stdout=told, **options)
    return told.getvalue()


@pytest.fixture
def written(tmp_path: Path) -> Path:
    start(into=tmp_path, label="Sky Writer")
    return tmp_path


@pytest.fixture
def link(written: Path, monkeypatch: pytest.MonkeyPatch):
    """The written connector, registered by the line that the command tells."""
    places = [*engagement.channels.__path__, str(written / "engagement" / "channels")]
    monkeypatch.setattr(engagement.channels, "__path__", places)
    path = f"engagement.channels.{NAME}.connector:SkyWriterConnector"
    monkeypatch.setitem(channels.BUILT_IN, NAME, path)
    monkeypatch.setattr(test_contract, "ROOT", written)
    yield channels.connector(NAME)
    channels.connector.cache_clear()
    for module in [name for name in sys.modules if name.startswith(f"engagement.channels.{NAME}")]:
        del sys.modules[module]


def test_it_writes_connector_tests_and_documents_and_says_what_is_next(tmp_path: Path) -> None:
    told = start(into=tmp_path)
    assert f'"{NAME}": "engagement.channels.{NAME}.connector:SkyWriterConnector",' in told
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert {
        f"engagement/channels/{NAME}/{file}"
        for file in ("__init__.py", "connector.py", "client.py", "events.py", "forms.py", "doc.md")
    } <= found
    assert {f"tests/channels/{NAME}/test_connector.py", f"docs/channels/{NAME}.md"} <= found
    texts = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert not [text for text in texts if re.search(r"\[\[[A-Za-z]+\]\]", text)]


@pytest.mark.parametrize("rule", [name for name in vars(test_contract) if name.startswith("test_")])
def test_what_is_written_keeps_the_contract(link, rule: str) -> None:
    test = getattr(test_contract, rule)
    if test.__code__.co_varnames[: test.__code__.co_argcount] == ("link",):
        test(link)


def test_what_is_written_understands_its_payloads(link, written: Path) -> None:
    from tests.channels.payloads import Payload, normal
    from tests.channels.payloads import written as as_json

    folder = written / "tests" / "channels" / NAME / "payloads"
    for path in sorted(folder.glob("*.json")):
        if not path.name.endswith(".expected.json"):
            payload = Payload(path)
            assert as_json(payload.parse()) == normal(payload.told["expected"])
            assert json.loads(path.read_text())


def test_what_is_written_is_in_house_style(written: Path) -> None:
    ruff = str(Path(sys.executable).with_name("ruff"))
    for path in sorted(written.rglob("*.py")):
        for command in (["check", "--quiet"], ["format", "--diff"]):
            argv = [ruff, *command, "--no-cache", "--stdin-filename", str(path.relative_to(written)), "-"]
            done = subprocess.run(
                argv, input=path.read_bytes(), capture_output=True, cwd=settings.BASE_DIR, check=False
            )
            assert done.returncode == 0, (done.stdout + done.stderr).decode()


def test_nothing_is_written_over(written: Path) -> None:
    mine = written / "engagement" / "channels" / NAME / "events.py"
    mine.write_text("# mine")
    mine.with_name("client.py").unlink()
    with pytest.raises(CommandError, match="is there already"):
        start(into=written)
    assert mine.read_text() == "# mine" and not mine.with_name("client.py").exists()


@pytest.mark.parametrize("name", ["email", "Lantern", "a", "my-net", "1st", "../evil", "x" * 31])
def test_a_name_that_is_taken_or_none_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(CommandError):
        start(name, into=tmp_path)
    assert list(tmp_path.iterdir()) == []
