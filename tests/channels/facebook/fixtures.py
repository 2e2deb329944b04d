"""Meta on loopback for the tests of its three networks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from engagement import rates
from tests.channels.facebook.graph import APP, MetaPlatform

__all__ = ["meta"]


@pytest.fixture
def meta(settings: Any) -> Iterator[MetaPlatform]:
    """A local Graph API that every connector of Meta's asks, and the keys of our app."""
    settings.RAPPORT_ALLOW_PRIVATE_HOSTS = ["127.0.0.1"]
    settings.CHANNEL_APPS = {"meta": dict(APP)}
    for key in rates._redis().scan_iter("rapport-rate:*"):
        rates._redis().delete(key)
    with MetaPlatform() as platform:
        settings.CHANNEL_URLS = platform.settings()
        yield platform
