"""Between HTML and plain text."""

from __future__ import annotations

import re
from contextlib import suppress
from html import escape
from html.parser import HTMLParser

import nh3

MAX_HTML = 1_500_000
MAX_OPEN = 2_000
"""So much after a tag that never ends the parser reads by itself: it begins anew at every letter of it, and
60 kB of such tags take it half a minute."""
BLOCK_NAMES = """
address article aside blockquote br center dd div dl dt figure footer h1 h2 h3 h4 h5 h6 header hr li main ol
p pre section table tr ul
"""
BLOCKS = frozenset(BLOCK_NAMES.split())
SILENT = {"script", "style", "head", "title", "template", "noscript", "object", "svg", "math"}
BLANK_LINES = re.compile(r"\n(?:[ \t]*\n){2,}")
SPACES = re.compile(r"[ \t\r\f\v\xa0\u200b]+")


class _Text(HTMLParser):
    """Collects text, a line a block, quotations with "> " before their lines."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[str] = [""]
        self.depths: list[int] = [0]
        self.depth = 0
        self.silent = 0

    def _new_line(self) -> None:
        self.lines.append("")
        self.depths.append(self.depth)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in SILENT:
            self.silent += 1
        elif tag == "blockquote":
            self.depth = min(self.depth + 1, 20)
        if tag in BLOCKS:
            self._new_line()
        if tag == "li":
            self.lines[-1] = "- "
        elif tag in ("td", "th") and self.lines[-1].strip():
            self.lines[-1] += " "

    def handle_endtag(self, tag: str) -> None:
        if tag in SILENT:
            self.silent = max(0, self.silent - 1)
        elif tag == "blockquote":
            self.depth = max(0, self.depth - 1)
        if tag in BLOCKS:
            self._new_line()
        if tag == "p":
            self._new_line()

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self.lines[-1] += SPACES.sub(" ", data.replace("\n", " "))

    def text(self) -> str:
        marked = [
            f"{'> ' * depth}{line.strip()}".rstrip()
            for line, depth in zip(self.lines, self.depths, strict=True)
        ]
        return BLANK_LINES.sub("\n\n", "\n".join(marked)).strip()


def text_of(html: str) -> str:
    """The text of some HTML as a person would read it."""
    parser = _Text()
    with suppress(AssertionError, ValueError):
        parser.feed(html[:MAX_HTML])
        if len(parser.rawdata) > MAX_OPEN:
            rest, parser.rawdata = parser.rawdata, ""
            parser.feed(nh3.clean(rest, tags=set(BLOCKS), clean_content_tags=SILENT, attributes={}))
        parser.close()
    return parser.text()


def html_of(text: str) -> str:
    """Simple HTML of a plain text, for the second half of a mail we send."""
    paragraphs = re.split(r"\n{2,}", text.strip())
    body = "".join(f"<p>{escape(paragraph).replace(chr(10), '<br>')}</p>" for paragraph in paragraphs)
    return f"<!doctype html><html><body>{body}</body></html>"
