"""docs/configuration.md lists every variable that is read, and none that is not."""

from __future__ import annotations

import ast
import re
from functools import cache

from tests.config.conftest import BASE_DIR

APPS = ("accounts", "analytics", "config", "core", "crm", "engagement", "personas")
# Set by our own commands for our own processes, or by the machine.
INTERNAL = {"DJANGO_SETTINGS_MODULE", "COLLECTING_STATIC", "SSL_CERT_DIR", "NPM_CONFIG_REGISTRY"}
READERS = {"env", "whole_number", "rate", "getenv"}
METHODS = {"bool", "dict", "list", "int", "str", "float", "get"}


@cache
def variables_read() -> set[str]:
    found = set()
    for app in APPS:
        for path in (BASE_DIR / app).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                found |= _names(node)
    return {name for name in found if name.isupper()} - INTERNAL


def _names(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Call) and node.args and _reads_environment(node.func):
        return _constant(node.args[0])
    if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ":
        return _constant(node.slice)
    return set()


def _reads_environment(function: ast.expr) -> bool:
    if isinstance(function, ast.Name):
        return function.id in READERS
    return (
        isinstance(function, ast.Attribute)
        and function.attr in METHODS | READERS
        and ast.unparse(function.value) in ("env", "os.environ", "os")
    )


def _constant(node: ast.expr) -> set[str]:
    return {node.value} if isinstance(node, ast.Constant) and isinstance(node.value, str) else set()


def documented() -> set[str]:
    text = (BASE_DIR / "docs" / "configuration.md").read_text()
    return set(re.findall(r"^\| `([A-Z0-9_]+)` \|", text, re.MULTILINE))


def test_the_search_finds_variables_of_every_kind():
    assert {"PORT", "DEBUG", "ALLOWED_HOSTS", "VAR_DIR", "DATABASE_URL"} <= variables_read()


def test_every_variable_is_documented():
    assert variables_read() - documented() == set()


def test_no_variable_is_documented_that_nothing_reads():
    assert documented() - variables_read() == {"RAPPORT_SAMPLES"}
