"""The page about a network for whoever connects it: docs/channels/<name>.md, shown inside Rapport."""

from __future__ import annotations

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


def text_of(link: Connector) -> str:
    """The Markdown of its page: the operator's document, else the one beside its code; '' for none."""
    path = Path(settings.BASE_DIR) / "docs" / "channels" / f"{link.name}.md"
    if path.is_file() and not link.guide_beside_code:
        return path.read_text(encoding="utf-8")
    package = type(link).__module__.rpartition(".")[0]
    try:
        beside = resources.files(package) / "doc.md"
        return beside.read_text(encoding="utf-8") if beside.is_file() else ""
    except (ModuleNotFoundError, TypeError, ValueError, OSError):
        return ""


@cache
def page_of(link: Connector) -> SafeString:
    """The same as HTML without its title; links inside the documentation lose their address."""
    text = text_of(link)
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
