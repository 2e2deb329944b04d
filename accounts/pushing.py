"""The audit trail of what comes in over the API."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import models
from django.utils import timezone

from accounts.models import AuditEntry, User
from accounts.services import record_audit
from core.models import Workspace


def record_pushes(*, by: User, verb: str, targets: Sequence[models.Model | None] = (None,)) -> None:
    """One line a key, target and local day: that it pushed. What it pushed stands in the rows themselves.

    A line a call would bury everything else under the calls of one busy shop.
    """
    now = timezone.now().astimezone(Workspace.current().tz)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    lines = AuditEntry.objects.filter(verb=verb, api_key=by.api_key, actor=by, at__gte=today)
    known = set(lines.values_list("object_id", flat=True))
    for target in targets:
        if (str(target.pk) if target is not None else "") not in known:
            record_audit(by=by, verb=verb, target=target)
