"""A mail's HTML, made safe; its pictures are held back until somebody asks for them.

Stored HTML holds remote pictures as `data-src` and pictures of the mail itself as `data-cid`; `shown_html`
puts them in when the mail is shown in its own sandboxed frame, whose policy allows inline styles and pictures
only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape, unescape
from urllib.parse import unquote

import nh3

MAX_HTML = 1_500_000
TAG_NAMES = """
a abbr address article aside b bdi bdo big blockquote br caption center cite code col colgroup dd del dfn
div dl dt em figcaption figure font footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd li main mark ol p pre q
s samp section small span strike strong sub sup table tbody td tfoot th thead time tr tt u ul var wbr
"""
TAGS = frozenset(TAG_NAMES.split())
DROPPED_WITH_CONTENT = {
    "script",
    "style",
    "head",
    "title",
    "noscript",
    "template",
    "iframe",
    "object",
    "svg",
    "math",
}
CELL = {"align", "valign", "bgcolor", "width", "height", "colspan", "rowspan", "nowrap"}
ATTRIBUTES = {
    "*": {"style", "dir", "lang", "title", "align"},
    "a": {"href", "name"},
    "img": {"src", "alt", "width", "height", "border"},
    "font": {"color", "face", "size"},
    "table": CELL | {"border", "cellpadding", "cellspacing"},
    "tr": CELL,
    "td": CELL,
    "th": CELL,
    "col": {"width", "span"},
    "colgroup": {"width", "span"},
    "ol": {"start", "type"},
    "li": {"value"},
}
STYLE_NAMES = """
background background-color border border-bottom border-collapse border-color border-left border-radius
border-right border-spacing border-style border-top border-width clear color direction display font
font-family font-size font-style font-variant font-weight height letter-spacing line-height list-style
list-style-type margin margin-bottom margin-left margin-right margin-top max-height max-width min-height
min-width overflow-wrap padding padding-bottom padding-left padding-right padding-top text-align
text-decoration text-indent text-transform vertical-align white-space width word-break word-spacing
word-wrap
"""
STYLES = frozenset(STYLE_NAMES.split())
LOADS = re.compile(r"url|image|expression|import|[\\@]", re.IGNORECASE)
"""What in a style could fetch something, or hide that it does."""

SCHEMES = {"http", "https", "mailto", "tel", "cid", "data", "held"}
DATA_PICTURE = re.compile(r"data:image/(?:png|gif|jpe?g|webp);base64,", re.IGNORECASE)
HELD = ' src="held:'


def clean_html(html: str) -> str:
    """The HTML without anything that runs, loads, or leaves its frame."""
    if not html or len(html) > MAX_HTML:
        return ""
    safe = nh3.clean(
        html,
        tags=set(TAGS),
        clean_content_tags=DROPPED_WITH_CONTENT,
        attributes=ATTRIBUTES,
        attribute_filter=_keep_attribute,
        set_tag_attribute_values={"a": {"target": "_blank"}},
        link_rel="noopener noreferrer nofollow",
        url_schemes=SCHEMES,
        url_relative="deny",
        filter_style_properties=set(STYLES),
    )
    # A quotation mark cannot stand unescaped inside an attribute, so this is one, or harmless text.
    return safe.replace(HELD + "cid:", ' data-cid="').replace(HELD, ' data-src="').strip()


def _keep_attribute(tag: str, attribute: str, value: str) -> str | None:
    if attribute == "style":
        kept = [part for part in value.split(";") if not LOADS.search(part)]
        return ";".join(kept) or None
    if tag == "img" and attribute == "src":
        source = value.strip()
        if DATA_PICTURE.match(source):
            return source
        if source.lower().startswith("cid:"):
            return f"held:cid:{unquote(source[4:])}"
        return f"held:{source}" if source.lower().startswith(("http:", "https:")) else None
    if attribute == "href" and value.strip().lower().startswith(("data:", "cid:", "held:")):
        return None
    return value


HELD_SOURCE = re.compile(r' data-(src|cid)="([^"]*)"')


def shown_html(html: str, pictures: Mapping[str, str], *, remote: bool) -> str:
    """Stored HTML as it is shown: the mail's own pictures by `pictures` (content id in lower
    case to address), remote ones
    only when asked for.
    """

    def put_in(found: re.Match[str]) -> str:
        kind, source = found[1], unescape(found[2])
        if kind == "cid":
            address = pictures.get(source.strip("<>").lower(), "")
            return f' src="{escape(address)}"' if address else found[0]
        return f' src="{escape(source)}" referrerpolicy="no-referrer"' if remote else found[0]

    return HELD_SOURCE.sub(put_in, html)
