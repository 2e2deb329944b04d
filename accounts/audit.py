"""Reading the audit trail."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import AuditEntry
from core.paging import Sort, desc

SORTS = {"-at": Sort(desc("at"))}
KINDS = {"apikey": _("API key")}
_VERBS_SQL = (Path(__file__).parent / "sql" / "audit_verbs.sql").read_text()


def entries(wanted: dict[str, Any]) -> QuerySet[AuditEntry]:
    """Entries narrowed by actor, verb, since, until (days of the reader's zone) and object (`kind:id`)."""
    found = AuditEntry.objects.select_related("actor", "api_key")
    if "actor" in wanted:
        found = found.filter(actor=wanted["actor"])
    if "verb" in wanted:
        found = found.filter(verb=wanted["verb"])
    if "since" in wanted:
        found = found.filter(at__gte=_begin(wanted["since"]))
    if "until" in wanted:
        found = found.filter(at__lt=_begin(wanted["until"] + timedelta(days=1)))
    if "object" in wanted:
        kind, _colon, pk = wanted["object"].partition(":")
        found = found.filter(object_kind=kind, object_id=pk)
    return found


def _begin(day: Any) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def known_verbs() -> list[str]:
    """Every verb that stands in the trail."""
    with connection.cursor() as cursor:
        cursor.execute(_VERBS_SQL)
        return [row[0] for row in cursor.fetchall()]


def verb_label(verb: str) -> str:
    """`staff.role_changed` as people read it: Staff role changed."""
    kind, _dot, happened = verb.partition(".")
    named = KINDS.get(kind) or kind.replace("_", " ").capitalize()
    return f"{named} {happened.replace('_', ' ')}".strip()


HEADER = ("at", "who", "key", "what", "kind", "id", "name", "detail", "ip")


def rows(found: QuerySet[AuditEntry]) -> Iterator[list[Any]]:
    """The entries as cells, newest first."""
    newest = found.order_by("-at", "-id")
    return (_columns(entry) for entry in newest.iterator(chunk_size=1000))


def _columns(entry: AuditEntry) -> list[Any]:
    key = entry.api_key.name if entry.api_key else ""
    return [
        entry.at, entry.actor_name, key, entry.verb, entry.object_kind, entry.object_id,
        entry.object_name, entry.detail, entry.ip,
    ]  # fmt: skip
