"""Fetching files from addresses that a platform, and so perhaps a stranger, gave us."""

from __future__ import annotations

from dataclasses import replace

from core import http
from engagement.channels.failures import PermanentFailure, from_http
from engagement.channels.shapes import File


def fetch_public(file: File, *, most: int) -> File:
    """The file with what its URL gives, asked without credentials and never at a private address.

    Raises SendFailed.
    """
    try:
        with http.Client(user_given=True, max_bytes=most) as client:
            answer = client.get(file.url)
    except http.TooLarge:
        raise PermanentFailure(f"The file is larger than {most:,} bytes.") from None
    except http.HttpFailure as failure:
        raise from_http(failure) from None
    kind = answer.headers.get("Content-Type", "").partition(";")[0].strip()
    return replace(file, content=answer.body, content_type=kind or file.content_type, size=len(answer.body))
