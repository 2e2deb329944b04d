"""How often one network address may open and change the pages that need no sign-in."""

from __future__ import annotations

import ipaddress

from django.core.cache import cache

MINUTE = 60
HOUR = 3600
READS = 60
WRITES = 20
SIGN_UPS = 10


def may_read(address: str | None) -> bool:
    """Whether this address is below its limit for the running minute; with Redis away, yes."""
    return _below("read", address, READS, MINUTE)


def may_write(address: str | None) -> bool:
    """Whether this address may change something again in this minute."""
    return _below("write", address, WRITES, MINUTE)


def may_sign_up(address: str | None) -> bool:
    """Whether this address may have one more mail sent in this hour."""
    return _below("sign-up", address, SIGN_UPS, HOUR)


def coarse(address: str | None) -> str:
    """The network an address lies in, coarse enough to name no household: /24, or /48 for IPv6."""
    if not address:
        return ""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return ""
    return str(ipaddress.ip_network(f"{known}/{24 if known.version == 4 else 48}", strict=False))


def _below(what: str, address: str | None, most: int, seconds: int) -> bool:
    place = coarse(address) if address and ":" in address else address
    if not place:
        return True
    key = f"preferences:{what}:{place}"
    cache.add(key, 0, seconds)
    try:
        return cache.incr(key) <= most
    except ValueError:
        # it expired between the two calls
        return True
