"""A connector shipped as a package is found, offered, and works, without a change to the project."""

from __future__ import annotations

import hmac
import io
import os
import subprocess
import sys
import tomllib
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.urls import reverse

from accounts.models import Team
from engagement import channels, hooks, raw_events
from engagement.models import ChannelAccount, Interaction, RawEvent
from tests.channels import test_contract
from tests.example_connector.conftest import HERE

SKIPPED = {"__pycache__", ".ruff_cache"}
NOT_WRITTEN = {"conftest.py", "test_package.py", "ruff.toml"}
BODY = (HERE / "rapport_lantern_tests" / "payloads" / "message.json").read_bytes()


def files_in(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
        and not SKIPPED & set(path.parts)
        and str(path.relative_to(folder)) not in NOT_WRITTEN
    }


def test_it_is_found_and_nothing_in_the_project_names_it() -> None:
    assert "lantern" in channels.paths() and "lantern" not in channels.BUILT_IN
    assert channels.connector("lantern").label == "Lantern"
    assert channels.connector("lantern") in channels.connectors()
    assert (HERE / "README.md").read_text().startswith("# Lantern")


def test_a_package_cannot_take_the_place_of_a_built_in_connector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "evil" / "evil-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[rapport.channels]\nemail = rapport_lantern.events:of_body\n")
    monkeypatch.syspath_prepend(str(info.parent))
    assert channels.paths()["email"] == channels.BUILT_IN["email"]


# A package's page for operators is its own README.
NOT_OF_PACKAGES = {"test_operators_are_told_how_to_get_its_keys"}
CONTRACT = [
    test
    for name, test in vars(test_contract).items()
    if name.startswith("test_")
    and name not in NOT_OF_PACKAGES
    and test.__code__.co_varnames[: test.__code__.co_argcount] == ("link",)
]


@pytest.mark.parametrize("rule", CONTRACT, ids=lambda rule: rule.__name__)
def test_it_keeps_what_every_connector_keeps(rule: object) -> None:
    assert callable(rule)
    rule(channels.connector("lantern"))


@pytest.mark.django_db
def test_an_admin_is_offered_it(ada, signed_in) -> None:
    page = signed_in(ada).get("/settings/channels/new/")
    assert "Lantern" in page.content.decode()
    form = signed_in(ada).get(reverse("engagement:channel-connect", args=["lantern"]))
    assert form.status_code == 200 and "Webhook secret" in form.content.decode()


@pytest.mark.django_db
def test_its_webhooks_come_in_by_the_one_door(client) -> None:
    account = ChannelAccount.objects.create(
        connector="lantern", network="lantern", external_id="acme", name="Lantern",
        team=Team.general(), credentials={"hook_secret": "s"},
    )  # fmt: skip
    address = hooks.address_of(account).removeprefix(settings.PUBLIC_URL)
    signed = {"x-signature": hmac.new(b"s", BODY, sha256).hexdigest()}
    for signature, status in ({"x-signature": "no"}, 401), (signed, 200), (signed, 200):
        answer = client.post(address, BODY, content_type="application/json", headers=signature)
        assert answer.status_code == status
    raw_events.sweep()
    assert RawEvent.objects.count() == 1
    assert Interaction.objects.get().text == "Where is my order?"


def test_the_example_is_what_startconnector_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engagement.management.commands.startconnector.paths", dict)
    call_command("startconnector", "lantern", package=tmp_path / "new", stdout=io.StringIO())
    assert files_in(tmp_path / "new") == files_in(HERE)


def wheel_of(folder: Path, into: Path) -> Path:
    """What a build makes of the package: its modules and what the installer must know, zipped."""
    told = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    info = f"rapport_lantern-{told['version']}.dist-info"
    points = told["entry-points"]["rapport.channels"].items()
    texts = {
        f"rapport_lantern/{path.name}": path.read_text()
        for path in (folder / "rapport_lantern").iterdir()
        if path.is_file()
    } | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {told['name']}\nVersion: {told['version']}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "\n".join(["[rapport.channels]", *(f"{n} = {v}" for n, v in points)]),
    }
    texts[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*texts, f"{info}/RECORD"])
    wheel = into / f"rapport_lantern-{told['version']}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in texts.items():
            archive.writestr(name, text)
    return wheel


def test_an_installer_puts_it_where_it_is_found(tmp_path: Path) -> None:
    target = tmp_path / "target"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-index",
        "--no-deps",
        "--target",
        str(target),
    ]
    subprocess.run([*pip, str(wheel_of(HERE, tmp_path))], check=True, capture_output=True)
    asked = (
        "import django; django.setup(); from engagement import channels;"
        "print(channels.connector('lantern').label, channels.paths()['lantern'])"
    )
    env = {**os.environ, "PYTHONPATH": str(target), "DJANGO_SETTINGS_MODULE": "config.settings"}
    found = subprocess.run(
        [sys.executable, "-c", asked],
        capture_output=True,
        text=True,
        env=env,
        cwd=settings.BASE_DIR,
        check=False,
    )
    assert found.stdout.split() == ["Lantern", "rapport_lantern.connector:LanternConnector"], found.stderr
    assert (target / "rapport_lantern" / "doc.md").exists()
