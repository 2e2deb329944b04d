"""What is wrong with a page in a browser: what axe-core finds in both themes, and what does not fit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

AXE = Path(__file__).resolve().parents[1] / "node_modules" / "axe-core" / "axe.min.js"
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
IN_COLOR = ("color-contrast", "link-in-text-block")
"""The rules that a theme can break."""
DESK, PHONE = 1440, 390
_SETTLED = "() => !document.querySelector('.htmx-request, .htmx-settling, .htmx-swapping, main .r-skel')"
# A color that is inherited changes over once its parent has, so one look at what moves is not enough.
_WEAR = """async (theme) => {
    document.documentElement.dataset.bsTheme = theme;
    let still = 0;
    while (still < 3) {
        await new Promise(requestAnimationFrame);
        still = document.getAnimations().some((one) => one.playState === "running") ? 0 : still + 1;
    }
}"""


def is_well(window: Page, *, widths: Sequence[int] = (DESK, PHONE)) -> None:
    """Fail unless the page that is open fits each width and axe-core finds nothing there, in both themes.

    One visit serves all widths; the window keeps its size.
    """
    window.wait_for_function(_SETTLED)
    kept, found = window.viewport_size, {}
    for width in widths:
        window.set_viewport_size({"width": width, "height": 900})
        wrong = violations(window)
        if goes_sideways(window):
            wrong.append("goes sideways")
        if wrong:
            found[width] = wrong
    if kept:
        window.set_viewport_size(kept)
    assert not found, (window.url, found)


def violations(window: Page) -> list[Any]:
    """Return what axe-core finds: every rule in the theme that is worn, those of color in the other too."""
    # Evaluated by the browser's tools, which no content policy binds.
    window.evaluate(AXE.read_text())
    worn = window.evaluate("document.documentElement.dataset.bsTheme || 'light'")
    found = _run(window, RULES)
    window.evaluate(_WEAR, "light" if worn == "dark" else "dark")
    found += _run(window, IN_COLOR)
    window.evaluate(_WEAR, worn)
    return found


def _run(window: Page, rules: Sequence[str]) -> list[Any]:
    kind = "rule" if rules == IN_COLOR else "tag"
    options = {
        "runOnly": {"type": kind, "values": list(rules)},
        "resultTypes": ["violations"],
        "preload": False,
    }
    ended = window.evaluate("(options) => axe.run(document, options)", options)
    assert ended["passes"] or ended["incomplete"] or ended["violations"], "no rule was run"
    return [
        (node["target"], node["failureSummary"]) for rule in ended["violations"] for node in rule["nodes"]
    ]


def goes_sideways(window: Page) -> bool:
    """Tell whether the page is wider than its window."""
    return bool(window.evaluate("document.documentElement.scrollWidth > innerWidth"))
