"""What connectors of shops share: how a shop's address names its orders."""

from __future__ import annotations

from hashlib import sha256

LONGEST = 60
"""As long as an order's source may be."""


def source_of(address: str) -> str:
    """The address, or its beginning with a hash of all of it where it is long."""
    if len(address) <= LONGEST:
        return address
    return f"{address[: LONGEST - 17]}-{sha256(address.encode()).hexdigest()[:16]}"
