"""Customers as records that can be compared, read from the database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any

from django.db import connection, transaction

from core import networks, sql
from crm.linkage.normalizing import looks_like_mail, looks_like_phone
from crm.linkage.profiles import ORGANIZATION, PERSON, Profile
from crm.matching import ID
from crm.models import CustomerKind

READ_AT_ONCE = 10_000
LONGEST_HANDLE = 40
Row = Mapping[str, Any]


def profile_of(row: Row) -> Profile:
    """By what this customer is compared."""
    return ORGANIZATION if row["kind"] == CustomerKind.ORGANIZATION else PERSON


def all_rows() -> Iterator[list[Row]]:
    """Every customer, some thousands at a time, through a cursor of the server."""
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute(sql.statement("crm", "linkage_records"))
        while found := cursor.fetchmany(READ_AT_ONCE):
            names = [column.name for column in cursor.description or ()]
            yield [dict(zip(names, row, strict=True)) for row in found]


def rows_of(ids: Sequence[int]) -> dict[int, Row]:
    """These customers by id, without those that are gone."""
    return {row["id"]: row for row in sql.rows("crm", "linkage_records_of", {"ids": list(ids)})}


def record_of(row: Row) -> dict[str, Any]:
    """One customer in the fields of their profile, as people wrote them."""
    handles = row["handles"]
    mails = _first_of(looks_like_mail(one) and one for handle in handles for one in handle[1:3])
    phones = _first_of(looks_like_phone(one) and one for handle in handles for one in handle[1:3])
    name = row["name"] or next((handle[3] for handle in handles if handle[3]), "")
    known = {"name": name, "phones": phones, "city": row["city"], "country": row["country"]}
    if profile_of(row) is ORGANIZATION:
        return {**known, "domains": _first_of(mail.partition("@")[2] for mail in mails)}
    told = _first_of(_told(*handle[:3]) for handle in handles)
    return {**known, "addresses": mails + told, "company": row["company"], "birth_year": row["birth_year"]}


def _first_of(values: Iterator[Any]) -> list[str]:
    """Each value once, in the order it came."""
    return list(dict.fromkeys(value for value in values if value))


def _told(network: str, external_id: str, handle: str) -> str:
    """A handle that somebody chose, "" for an address, a number, or an id that a machine gave."""
    text = (handle or external_id).strip()
    if network == ID or networks.get(network).kind == "shop" or len(text) > LONGEST_HANDLE:
        return ""
    if looks_like_mail(text) or looks_like_phone(text) or not any(one.isalpha() for one in text):
        return ""
    return text if " " not in text else ""


def digest(columns: Mapping[str, Any]) -> int:
    """A number that changes with what is compared, so that a run knows who changed since the last one."""
    text = repr(sorted(columns.items())).encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big", signed=True)
