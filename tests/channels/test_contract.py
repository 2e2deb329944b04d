"""What every connector keeps, whatever its network."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest
from django import forms

from engagement import channels
from engagement.channels.base import Connector

ROOT = Path(__file__).parents[2]
APPS = ("analytics", "personas", "engagement", "crm", "accounts", "core")


@pytest.fixture(params=sorted(channels.BUILT_IN))
def link(request):
    return channels.connector(request.param)


def folder(link):
    return Path(inspect.getfile(type(link))).parent


def overrides(link, name):
    return getattr(type(link), name) is not getattr(Connector, name)


def test_it_says_who_it_is(link):
    assert link.name in channels.BUILT_IN
    assert link.label and link.icon
    assert all(isinstance(network, str) and network for network in link.networks)


def test_what_it_says_it_can_do_it_does(link):
    assert link.can_pull == overrides(link, "pull")
    assert link.can_reply == overrides(link, "send")
    assert not link.can_start or link.can_reply
    assert not link.has_cc or link.has_subject


def test_it_tells_how_to_connect_it(link):
    doc = (folder(link) / "doc.md").read_text()
    assert doc.startswith("# ") and len(doc) > 200


def test_its_limits_make_sense(link):
    assert link.max_length > 0
    assert link.max_attachment_bytes >= 0
    assert link.pull_every_seconds >= 10
    assert link.reply_window_hours is None or link.reply_window_hours > 0


def test_its_secrets_are_fields_of_its_form(link):
    if not link.secret_fields:
        return
    assert link.settings_form is not None and issubclass(link.settings_form, forms.Form)
    assert set(link.secret_fields) <= set(link.settings_form.base_fields)
    shown = {
        name
        for name, field in link.settings_form.base_fields.items()
        if "password" in name or "token" in name
    }
    assert shown <= set(link.secret_fields)


def test_an_id_for_a_message_of_ours_is_always_the_same(link):
    class Account:
        pk = 1
        external_id = "shop@example.com"

    key = "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"
    first = link.new_external_id(Account(), key)
    assert first == link.new_external_id(Account(), key)
    assert first != link.new_external_id(Account(), key.replace("1b", "2b"))
    assert 0 < len(first) <= 320


def test_nobody_outside_its_folder_compares_with_a_connectors_name():
    found = []
    for app in APPS:
        for path in (ROOT / app).rglob("*.py"):
            inside = path.relative_to(ROOT).parts
            if inside[:2] == ("engagement", "channels") or "migrations" in inside:
                continue
            found += [f"{path.relative_to(ROOT)}:{line}" for line in comparisons(path)]
    assert found == []


def comparisons(path):
    """Lines where `….connector` is compared with a text."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            names = {side.attr for side in sides if isinstance(side, ast.Attribute)}
            if "connector" in names and any(
                isinstance(side, ast.Constant) and isinstance(side.value, str) for side in sides
            ):
                yield node.lineno
