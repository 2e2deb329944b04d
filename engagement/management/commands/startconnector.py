"""`manage.py startconnector NAME`: a connector to begin with, which works against a double of its own."""

from __future__ import annotations

import re
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from engagement.channels import paths

TEMPLATE = Path(settings.BASE_DIR) / "docs" / "connector-template"
SUFFIX = "-tpl"
STATEMENT = re.compile(r"^from .*?(?:\(\n(?:.*\n)*?\)|)\n", re.MULTILINE)
IMPORTS = re.compile(r"(?:^from (?!__future__).*?(?:\(\n(?:    .*\n)*?\)|)\n){2,}", re.MULTILINE)
NAME = re.compile(r"[a-z][a-z0-9_]{1,29}")


class Command(BaseCommand):
    """Writes the files of `docs/connector-template`, with the name put in."""

    help = "Write a connector with its tests and documents, in this project or as a package of its own"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="small letters, digits and _, such as lantern")
        parser.add_argument("--label", default="", help="what people call the platform")
        parser.add_argument("--package", type=Path, help="write an installable package into this folder")
        parser.add_argument("--into", type=Path, help="write into this checkout instead of our own")

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["name"]
        if not NAME.fullmatch(name):
            raise CommandError("The name is 2 to 30 small letters, digits and _, and begins with a letter.")
        if name in paths():
            raise CommandError(f"There is a connector {name} already.")
        label = options["label"] or name.replace("_", " ").capitalize()
        written = (
            package(name, label, options["package"])
            if options["package"]
            else inside(name, label, options["into"] or Path(settings.BASE_DIR))
        )
        taken = [path for path in written if path.exists()]
        if taken:
            raise CommandError(f"{taken[0]} is there already; nothing was written.")
        for path, text in written.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            self.stdout.write(str(path))
        self.stdout.write(_next(name, in_package=bool(options["package"])))


def inside(name: str, label: str, root: Path) -> dict[Path, str]:
    """The files of a connector in the project."""
    module = f"engagement.channels.{name}"
    words = _words(name, label, module, tests=f"tests.channels.{name}")
    words["doc"] = f"../../engagement/channels/{name}/doc.md"
    home, tests = root / "engagement" / "channels" / name, root / "tests" / "channels" / name
    return {
        **dict(_filled(TEMPLATE / "connector", home, words)),
        **dict(_filled(TEMPLATE / "tests", tests, words)),
        root / "docs" / "channels" / f"{name}.md": _fill(TEMPLATE / f"docs.md{SUFFIX}", words),
    }


def package(name: str, label: str, folder: Path) -> dict[Path, str]:
    """The files of a package that others install."""
    module = f"rapport_{name}"
    words = _words(name, label, module, tests=f"{module}_tests")
    words["doc"] = f"{module}/doc.md"
    return {
        **dict(_filled(TEMPLATE / "connector", folder / module, words)),
        **dict(_filled(TEMPLATE / "tests", folder / f"{module}_tests", words)),
        **dict(_filled(TEMPLATE / "package-tests", folder / f"{module}_tests", words)),
        **dict(_filled(TEMPLATE / "package", folder, words)),
        folder / "README.md": _fill(TEMPLATE / f"docs.md{SUFFIX}", words),
    }


def _words(name: str, label: str, module: str, *, tests: str) -> dict[str, str]:
    camel = "".join(part.capitalize() for part in name.split("_"))
    slug = name.replace("_", "-")
    return {"name": name, "Name": camel, "label": label, "module": module, "slug": slug, "tests": tests}


def _filled(source: Path, target: Path, words: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    for path in sorted(source.rglob(f"*{SUFFIX}")):
        inner = path.relative_to(source)
        yield target / inner.with_name(inner.name.removesuffix(SUFFIX)), _fill(path, words)


def _fill(path: Path, words: Mapping[str, str]) -> str:
    return _sorted_imports(re.sub(r"\[\[(\w+)\]\]", lambda found: words[found[1]], path.read_text()))


def _sorted_imports(text: str) -> str:
    """Imports in order, whatever the name is that was put in: whole statements, block by block."""
    return IMPORTS.sub(lambda block: "".join(sorted(STATEMENT.findall(block[0]), key=_module)), text)


def _module(statement: str) -> str:
    return statement.split()[1]


def _next(name: str, *, in_package: bool) -> str:
    if in_package:
        return f'\nInstall it with "pip install -e" beside Rapport: {name} is then offered in Settings.'
    camel = "".join(part.capitalize() for part in name.split("_"))
    line = f'"{name}": "engagement.channels.{name}.connector:{camel}Connector",'
    return f"\nPut this line into BUILT_IN of engagement/channels/__init__.py:\n    {line}"
