"""Where our own pages are, exactly as a browser writes it in an Origin header."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings


def page_origins() -> frozenset[str]:
    """Every origin under which this installation's pages are served."""
    scheme = urlsplit(settings.PUBLIC_URL).scheme
    hosts = [host for host in settings.ALLOWED_HOSTS if "*" not in host and not host.startswith(".")]
    return frozenset({settings.PUBLIC_URL, *(f"{scheme}://{host}:{settings.PORT}" for host in hosts)})


def written_origin(url: str) -> str:
    """The origin of an address that a person typed: lower case, no path, no default port.

    Raises ValueError for anything but http and https.
    """
    parts = urlsplit(url.strip() if "://" in url else f"https://{url.strip()}")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or "*" in parts.netloc:
        raise ValueError(url)
    default = {"http": 80, "https": 443}[parts.scheme]
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname.encode("idna").decode()
    port = f":{parts.port}" if parts.port not in (None, default) else ""
    return f"{parts.scheme}://{host}{port}"
