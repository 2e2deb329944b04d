"""What is written about a channel in the documentation, shown inside Rapport where it is connected."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

import nh3
from django.conf import settings
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

from engagement.channels.base import Connector

TAGS = {
    "p", "h2", "h3", "h4", "ul", "ol", "li", "a", "code", "pre", "strong", "em", "blockquote", "table",
    "thead", "tbody", "tr", "th", "td", "hr", "br",
}  # fmt: skip


@dataclass(frozen=True)
class Documents:
    """What is written about a channel, as HTML: how it is connected, and what the operator should know."""

    guide: SafeString
    more: SafeString


@cache
def documents_of(link: Connector) -> Documents:
    """The `doc.md` beside its code, and docs/channels/<name>.md; '' for what is not there."""
    return Documents(guide=_page(_beside_code(link)), more=_page(_of_operators(link)))


def _beside_code(link: Connector) -> str:
    package = type(link).__module__.rpartition(".")[0]
    try:
        found = resources.files(package) / "doc.md"
        return found.read_text(encoding="utf-8") if found.is_file() else ""
    except (ModuleNotFoundError, TypeError, ValueError, OSError):
        return ""


def _of_operators(link: Connector) -> str:
    path = Path(settings.BASE_DIR) / "docs" / "channels" / f"{link.name}.md"
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _page(text: str) -> SafeString:
    """Markdown as HTML without its title; links inside the documentation lose their address."""
    if not text:
        return SafeString("")
    html = MarkdownIt("commonmark", {"html": False}).enable("table").render(_without_title(text))
    html = html.replace("<pre>", '<pre tabindex="0">').replace("<th></th>", "<td></td>")
    clean = nh3.clean(
        html,
        tags=TAGS,
        attributes={"a": {"href"}, "pre": {"tabindex"}},
        url_schemes={"https", "http"},
        url_relative="deny",
        link_rel="noreferrer noopener",
    )
    return mark_safe(clean)  # noqa: S308


def _without_title(text: str) -> str:
    first, _, rest = text.lstrip().partition("\n")
    return rest if first.startswith("# ") else text
