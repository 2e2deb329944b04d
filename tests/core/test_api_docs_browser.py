"""The API's own page, in a real browser under the real security policy."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_the_page_renders_offline_and_within_the_policy(browser: Any, live_server: Any) -> None:
    context = browser.new_context(base_url=live_server.url, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    said: list[str] = []
    elsewhere: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on(
        "request",
        lambda request: (
            None
            if request.url.startswith((live_server.url, "data:", "blob:"))
            else elsewhere.append(request.url)
        ),
    )
    answer = page.goto("/api/v1/docs/")
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy and "unsafe" not in policy
    parts = page.locator(".opblock-tag")
    expect(parts.nth(9)).to_be_attached(timeout=60_000)
    page.locator(".opblock-tag[data-tag=interactions]").click()
    page.locator(".opblock-post", has_text="/api/v1/interactions/").first.locator("button").first.click()
    page.wait_for_selector("text=Where is my order?", timeout=30_000)
    context.close()
    assert (said, elsewhere) == ([], [])
