"""What every connector keeps, whatever its network."""

from __future__ import annotations

import ast
import inspect
from datetime import timedelta
from pathlib import Path

import pytest
from django import forms

from engagement import channels
from engagement.channels.base import Connector
from engagement.models import ChannelAccount

ROOT = Path(__file__).parents[2]
APPS = ("analytics", "personas", "engagement", "crm", "accounts", "core")


@pytest.fixture(params=sorted(channels.paths()))
def link(request):
    return channels.connector(request.param)


def folder(link):
    return Path(inspect.getfile(type(link))).parent


def overrides(link, name):
    return getattr(type(link), name) is not getattr(Connector, name)


def test_it_says_who_it_is(link):
    assert link.name in channels.paths()
    assert link.label and link.icon
    assert all(isinstance(network, str) and network for network in link.networks)


PAIRS = {
    "can_pull": "pull", "can_reply": "send", "takes_hooks": "verify", "subscribes": "subscribe",
    "reads_back": "find_sent", "reconciles": "list_window", "refreshes": "refresh", "logs_in": "begin_login",
}  # fmt: skip


@pytest.mark.parametrize(("flag", "method"), sorted(PAIRS.items()))
def test_what_it_says_it_can_do_it_does(link, flag, method):
    assert getattr(link, flag) == overrides(link, method)


def test_what_it_can_do_fits_together(link):
    assert not link.can_start or link.can_reply
    assert not link.has_cc or link.has_subject
    assert bool(link.acts) == overrides(link, "act")
    assert overrides(link, "begin_login") == overrides(link, "finish_login")
    assert link.hook_scope in ("account", "app")
    assert not link.subscribes or link.takes_hooks
    assert not link.takes_files or link.can_reply
    assert not (link.takes_hooks or link.can_pull) or overrides(link, "parse")
    assert all(name == name.lower() for name in link.hook_headers)


def test_it_says_what_it_is_for_and_what_it_needs(link):
    if link.settings_form is None and not link.logs_in:
        return
    assert link.about and link.needs
    assert link.reconciles or link.why_not_compared
    assert all(word and why for word, why in link.scopes.items())


def test_its_allowances_are_numbers(link):
    assert all(rate.count > 0 and rate.seconds > 0 for rate in link.rates)
    assert len({(rate.name, rate.per, rate.seconds) for rate in link.rates}) == len(link.rates)


def test_it_tells_how_to_connect_it(link):
    doc = (folder(link) / "doc.md").read_text()
    assert doc.startswith("# ") and len(doc) > 200


def test_operators_are_told_how_to_get_its_keys(link):
    if link.settings_form is None and not link.logs_in:
        return
    names = {link.name, folder(link).name, link.keys_of} - {""}
    assert any((ROOT / "docs" / "channels" / f"{name}.md").exists() for name in names)


@pytest.mark.parametrize("public", [False, True])
def test_the_limits_of_a_message_make_sense(link, public):
    limits = link.limits(ChannelAccount(connector=link.name, settings={}, credentials={}), public=public)
    assert limits.length > 0 and limits.files >= 0 and limits.file_bytes >= 0
    assert limits.window is None or limits.window > timedelta(0)
    assert link.count_length("") == 0
    assert link.count_length("\U0001f469\u200d\U0001f469\u200d\U0001f466 ok") > 0


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


def test_where_its_secrets_are_sent_is_a_field_of_its_form(link):
    fields = link.settings_form.base_fields if link.settings_form else {}
    for setting, secrets in link.sent_to.items():
        assert setting in fields and set(secrets) <= set(link.secret_fields)


def test_an_id_for_a_message_of_ours_is_always_the_same(link):
    class Account:
        pk = 1
        external_id = "shop@example.com"

    key = "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"
    first = link.new_external_id(Account(), key)
    assert first == link.new_external_id(Account(), key)
    assert first != link.new_external_id(Account(), key.replace("1b", "2b"))
    assert 0 < len(first) <= 320


# Names

OTHER_MEANINGS = {
    ("engagement/timeline.py", "review"): "a kind of interaction",
    ("engagement/templatetags/inbox.py", "review"): "a kind of interaction",
    ("crm/journey_steps.py", "review"): "a kind of interaction",
    ("crm/profile.py", "api"): "how the origin of a fact begins",
}
"""Words that are a connector's or network's name elsewhere and mean something else here."""
IDENTITY_KINDS = {"email", "phone"}
"""Kinds of identities in `crm.identities`, whichever network carries them."""
READS = ("get", "setdefault", "pop")


def test_nobody_outside_its_folder_compares_matches_or_keys_by_a_name():
    named = set(channels.paths()) | {name for link in channels.connectors() for name in link.networks}
    found = {
        (str(path.relative_to(ROOT)), word): f"{path.relative_to(ROOT)}:{line}: {word}"
        for app in APPS
        for path in (ROOT / app).rglob("*.py")
        if not is_a_place_of_names(path)
        for line, word in words_that_decide(path)
        if word in named - IDENTITY_KINDS
    }
    assert [place for key, place in found.items() if key not in OTHER_MEANINGS] == []
    assert set(OTHER_MEANINGS) - set(found) == set(), "no longer needed"


def is_a_place_of_names(path):
    """Connectors' own folders, their registry, the demo, and migrations."""
    inside = path.relative_to(ROOT).parts
    if inside[:2] == ("engagement", "channels"):
        return len(inside) > 3 or inside[2] == "__init__.py"
    return "migrations" in inside or "demo" in inside


def words_that_decide(path):
    """Texts that something is compared with, matched against or looked up by, with their lines."""
    for node in ast.walk(ast.parse(path.read_text())):
        asked = []
        if isinstance(node, ast.Compare):
            asked = [node.left, *node.comparators]
        elif isinstance(node, ast.MatchValue):
            asked = [node.value]
        elif isinstance(node, ast.Dict):
            asked = [key for key in node.keys if key is not None]
        elif isinstance(node, ast.Subscript):
            asked = [node.slice]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in READS:
            asked = node.args[:1]
        for one in asked:
            yield from texts_in(one)


def texts_in(node):
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.lineno, node.value
    elif isinstance(node, ast.Tuple | ast.List | ast.Set):
        for one in node.elts:
            yield from texts_in(one)


@pytest.mark.parametrize(
    "source",
    [
        'if account.network == "x": pass',
        'if account.connector in ("x", "y"): pass',
        'match name:\n    case "x": pass',
        'LIMITS = {"x": 280}',
        'limit = LIMITS["x"]',
        'limit = LIMITS.get("x", 280)',
    ],
)
def test_the_walk_over_the_syntax_finds_what_it_is_for(tmp_path, source):
    path = tmp_path / "module.py"
    path.write_text(source)
    assert "x" in {word for _line, word in words_that_decide(path)}
