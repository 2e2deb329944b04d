"""Bodies as they arrived: those that hold an erased person go, or lose what is theirs.

A body may hold mail with its words encoded, JSON with escapes, or several people's messages at once.
"""

from __future__ import annotations

import email
import json
from collections.abc import Iterator
from email import policy
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import EmailMessage
from typing import Any
from urllib.parse import unquote_plus

from django.db import connection
from django.db.models import Q, QuerySet

from core.privacy import Erasing
from crm.models import Identity
from crm.privacy.words import ERASED, Words, blot_all
from engagement.channels import connector
from engagement.channels.base import Event
from engagement.models import ChannelAccount, RawEvent, RawState

PAGE = 500
NO_JSON = (ValueError, RecursionError)
"""What a body raises that is no JSON, or nested so deep that nobody reads it."""


def erase_raw(erasing: Erasing) -> None:
    """Search every body: word by word where this person may have written, and as it is everywhere else."""
    theirs = frozenset(
        word
        for row in Identity.objects.filter(pk__in=erasing.subject.identities).values_list(
            "external_id", "handle"
        )
        for word in row
        if word
    )
    for raw in _bodies_of(erasing).select_related("account").order_by("pk").iterator(PAGE):
        if _is_theirs(raw, theirs):
            erasing.count(RawEvent, _delete(raw))
        elif _names(raw, erasing.words):
            _clean(erasing, raw)
    if not erasing.words.is_empty:
        for raw in RawEvent.objects.filter(pk__in=_found_elsewhere(erasing.words)):
            if _names(raw, erasing.words):
                _clean(erasing, raw)


def _bodies_of(erasing: Erasing) -> QuerySet[RawEvent]:
    """Those that came for an account of theirs, or to the one address that serves all such accounts."""
    accounts = _accounts(erasing)
    connectors = set(ChannelAccount.objects.filter(pk__in=accounts).values_list("connector", flat=True))
    return RawEvent.objects.filter(Q(account_id__in=accounts) | Q(account=None, source__in=connectors))


def _accounts(erasing: Erasing) -> set[int]:
    """Accounts of their networks, and those whose interactions are gone by now."""
    networks = Identity.objects.filter(pk__in=erasing.subject.identities).values_list("network", flat=True)
    found = set(ChannelAccount.objects.filter(network__in=set(networks)).values_list("pk", flat=True))
    return found | {int(key[1]) for key in erasing.keys if key[0] in ("interaction", "thread")}


def _found_elsewhere(words: Words) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM engagement_rawevent WHERE encode(body, 'escape') ~* %(words)s "
            "OR error ~* %(words)s OR headers::text ~* %(words)s OR delivery_key ~* %(words)s",
            {"words": words.sql_pattern()},
        )
        return [row[0] for row in cursor.fetchall()]


def _is_theirs(raw: RawEvent, handles: frozenset[str]) -> bool:
    """Whether all who speak in a body are this person, however short their handle is; where others speak in
    it too, one that was understood is of no more use."""
    people = set(_people_in(raw))
    if not people & handles:
        return False
    return people <= handles or raw.state == RawState.DONE


def _people_in(raw: RawEvent) -> Iterator[str]:
    """The ids of everybody whom a body names as an author, as its connector reads it."""
    body = bytes(raw.body)
    try:
        found = json.loads(body)
    except NO_JSON:
        found = None
    if isinstance(found, dict) and isinstance(found.get("author"), str | dict):
        author = found["author"]
        yield str(author.get("external_id", "") if isinstance(author, dict) else author)
    try:
        parcels = connector(raw.source.partition(":")[0]).parse(raw)
    except Exception:  # whatever a connector stumbles over: such a body is searched by words
        return
    for parcel in parcels:
        spoken = (one.author for one in parcel.events if isinstance(one, Event))
        for author in (*spoken, *parcel.people, *(one for pair in parcel.links for one in pair)):
            if author is not None:
                yield author.external_id
        yield from (order.customer_id for order in parcel.orders)


def _names(raw: RawEvent, words: Words) -> bool:
    if any(words.found_in(text) for text in (raw.error, raw.delivery_key, json.dumps(raw.headers))):
        return True
    return any(words.found_in(text) for text in readable(bytes(raw.body)))


def readable(body: bytes) -> Iterator[str]:
    """Every way in which a body can be read: as it is, as JSON, as a form, as mail with its parts decoded."""
    text = body.decode("utf-8", "replace")
    yield text
    if text.lstrip()[:1] in ("{", "["):
        try:
            yield json.dumps(json.loads(text), ensure_ascii=False)
        except NO_JSON:
            return
        return
    if "=" in text[:200] and "\n" not in text.strip():
        yield unquote_plus(text)
    if ":" in text[:200]:
        yield from _mail_texts(body)


def _mail_texts(body: bytes) -> Iterator[str]:
    parsed = email.message_from_bytes(body, _class=EmailMessage, policy=policy.compat32)
    for value in parsed.values():
        try:
            yield str(make_header(decode_header(str(value))))
        except (LookupError, ValueError, MessageError):
            yield str(value)
    for part in parsed.walk():
        if part.get_content_maintype() == "text":
            content: Any = part.get_payload(decode=True)
            yield _decoded(content or b"", part.get_content_charset() or "utf-8")


def _decoded(content: bytes, charset: str) -> str:
    """Words in the character set that the mail names, which may be none at all."""
    try:
        return content.decode(charset, "replace")
    except (LookupError, ValueError):
        return content.decode("utf-8", "replace")


def _clean(erasing: Erasing, raw: RawEvent) -> None:
    """What was understood is of no more use; what waits or is parked stays without them, where it can."""
    body = bytes(raw.body)
    kept = _blotted(body, erasing.words) if raw.state != RawState.DONE else None
    if kept is None or any(erasing.words.found_in(text) for text in readable(kept)):
        erasing.count(RawEvent, _delete(raw))
        return
    blot = erasing.words.blot
    RawEvent.objects.filter(pk=raw.pk, month=raw.month).update(
        body=kept,
        headers=blot_all(raw.headers, blot),
        error=blot(raw.error),
        delivery_key=f"{ERASED} {raw.pk}" if blot(raw.delivery_key) != raw.delivery_key else raw.delivery_key,
    )
    erasing.count(RawEvent, 1)


def _delete(raw: RawEvent) -> int:
    rows = RawEvent.objects.filter(pk=raw.pk, month=raw.month)
    return int(rows._raw_delete(rows.db))


def _blotted(body: bytes, words: Words) -> bytes | None:
    """The body without them; None where it is a mail of theirs, or nothing is left."""
    try:
        found = json.loads(body)
    except NO_JSON:
        if words.found_in(str(email.message_from_bytes(body).get("From", ""))):
            return None
        return words.blot(body.decode("utf-8", "replace")).encode()
    clean = blot_all(_others(found, words), words.blot)
    return json.dumps(clean, ensure_ascii=False).encode() if clean else None


def _others(value: Any, words: Words) -> Any:
    """Lists without the items that name them: each item is a message of somebody."""
    if isinstance(value, list):
        kept = [one for one in value if not words.found_in(json.dumps(one, ensure_ascii=False))]
        return [_others(one, words) for one in kept] if kept else []
    if isinstance(value, dict):
        return {key: _others(one, words) for key, one in value.items()}
    return value
