"""Names of things on the AT Protocol: addresses of records, and keys that sort by time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

POST = "app.bsky.feed.post"
LIKE = "app.bsky.feed.like"
BLOCK = "app.bsky.graph.block"
THREADGATE = "app.bsky.feed.threadgate"

_ALPHABET = "234567abcdefghijklmnopqrstuvwxyz"
_AT_URI = re.compile(
    r"at://(?P<did>did:[a-z]+:[A-Za-z0-9._:%-]+)/(?P<collection>[A-Za-z0-9.-]+)/(?P<rkey>[^/?#\s]+)"
)
_DID = re.compile(r"did:(plc:[a-z2-7]{24}|web:[A-Za-z0-9.-]+(%3[Aa][0-9]{1,5})?)")
_HANDLE = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True)
class Address:
    """Where a record is: whose repository, which collection, under which key."""

    did: str
    collection: str
    rkey: str

    def __str__(self) -> str:
        return f"at://{self.did}/{self.collection}/{self.rkey}"


def address_of(uri: str) -> Address:
    """The parts of an at:// address of a record. Raises ValueError."""
    found = _AT_URI.fullmatch(uri)
    if found is None:
        raise ValueError(f"{uri[:80]!r} is not the address of a record")
    return Address(found["did"], found["collection"], found["rkey"])


def did_of(uri: str) -> str:
    """Whose record this is; '' where that is no address of one."""
    found = _AT_URI.fullmatch(uri)
    return found["did"] if found else ""


def is_did(value: str) -> bool:
    """Whether this is an id of the two kinds that Bluesky knows."""
    return bool(_DID.fullmatch(value))


def is_handle(value: str) -> bool:
    """Whether this can be a handle: a domain name in lower case."""
    return bool(_HANDLE.fullmatch(value))


def record_key(at: datetime, seed: str) -> str:
    """A record key of 13 letters (TID): microseconds since 1970, then ten bits that the seed gives.

    The same time and seed always give the same key, so a record written again is the same record.
    https://atproto.com/specs/tid
    """
    micros = int(at.timestamp() * 1_000_000) & ((1 << 53) - 1)
    number = micros << 10 | int.from_bytes(sha256(seed.encode()).digest()[:2], "big") & 1023
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(60, -1, -5))


def web_url(handle: str, uri: str) -> str:
    """Where a person sees this post."""
    where = address_of(uri)
    return f"https://bsky.app/profile/{handle or where.did}/post/{where.rkey}"
