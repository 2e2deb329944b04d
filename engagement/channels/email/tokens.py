"""Ids that only we can make: a Message-ID of ours is signed, so whoever quotes it was given our mail."""

from __future__ import annotations

import re
from collections.abc import Iterable
from hmac import compare_digest
from uuid import UUID

from django.utils.crypto import salted_hmac

from engagement.models import ChannelAccount

SIGNATURE_LENGTH = 16
MAX_LOCAL_PART = 64
OURS = re.compile(rf"([0-9a-z]{{1,40}})\.([0-9a-f]{{{SIGNATURE_LENGTH}}})@([^@\s<>]+)")
NOT_KEY = re.compile(r"[^0-9a-z]+")


def own_message_id(account: ChannelAccount, delivery_key: str) -> str:
    """The Message-ID, without brackets, of the mail that this delivery sends; always the same."""
    key = NOT_KEY.sub("", delivery_key.lower())[:40]
    return f"{key}.{_signature(account, key)}@{domain_of(account.external_id)}"


def is_own(account: ChannelAccount, message_id: str) -> bool:
    """Whether this account made this Message-ID."""
    found = OURS.fullmatch(message_id)
    if found is None or found[3].lower() != domain_of(account.external_id):
        return False
    return compare_digest(found[2], _signature(account, found[1]))


def key_in(account: ChannelAccount, message_id: str) -> str:
    """The delivery's key in a Message-ID that this account made; '' for others."""
    found = OURS.fullmatch(message_id)
    if not found or not is_own(account, message_id):
        return ""
    try:
        return str(UUID(found[1]))
    except ValueError:
        return found[1]


def own_ids_in(account: ChannelAccount, text: str) -> list[str]:
    """Message-IDs of this account that stand somewhere in a text, each once."""
    candidates = dict.fromkeys(found[0].rstrip(".,;:") for found in OURS.finditer(text))
    return [one for one in candidates if is_own(account, one)]


def reply_address(account: ChannelAccount, message_id: str) -> str:
    """Our address with the token of this message ("support+token@…"), '' where it would be too long."""
    local, _, domain = account.external_id.partition("@")
    tagged = f"{local}+{message_id.partition('@')[0]}"
    return f"{tagged}@{domain}" if len(tagged) <= MAX_LOCAL_PART else ""


def ids_in_addresses(account: ChannelAccount, addresses: Iterable[str]) -> list[str]:
    """Message-IDs of ours that a reply brought back as plus-address."""
    domain = domain_of(account.external_id)
    tags = (address.partition("@")[0].partition("+")[2].lower() for address in addresses)
    return [one for one in (f"{tag}@{domain}" for tag in tags if tag) if is_own(account, one)]


def domain_of(address: str) -> str:
    """The domain of an address, in lower case."""
    return address.rpartition("@")[2].lower()


def _signature(account: ChannelAccount, key: str) -> str:
    signed = salted_hmac("rapport.email.message-id", f"{account.pk}:{key}", algorithm="sha256")
    return signed.hexdigest()[:SIGNATURE_LENGTH]
