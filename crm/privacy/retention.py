"""How long things are kept: rules by kind and age, and the nightly job that follows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from accounts.permissions import check
from accounts.services import record_audit
from core.jobs import JobIsOpen, Progress, register_runner, start_job
from core.models import Job, Workspace
from core.privacy import Kind, retention_kinds
from crm.models import RetentionRule

KIND = "retention"
DUE_AT = time(4, 30)
MOST_COUNTED = 10_000
"""What a rule would delete is counted up to here."""
LONGEST_DAYS = 36_500


@dataclass(frozen=True)
class Rule:
    """One kind with what is set for it."""

    kind: Kind
    days: int
    is_on: bool

    def before(self, now: datetime) -> datetime:
        """Older rows go."""
        return now - timedelta(days=self.days)

    def due(self, now: datetime | None = None) -> int:
        """How many rows would go at this moment, up to MOST_COUNTED and one."""
        return self.kind.count(self.before(now or timezone.now()), MOST_COUNTED + 1)


def rules() -> list[Rule]:
    """Every kind with its rule; kinds nobody set have their own default."""
    stored = {row.kind: row for row in RetentionRule.objects.all()}
    return [
        Rule(kind, stored[kind.name].days, stored[kind.name].is_on)
        if kind.name in stored
        else Rule(kind, kind.days, kind.is_on)
        for kind in retention_kinds()
    ]


class BadRule(ValueError):
    """A rule that cannot be set, with the reason."""


def set_rules(wanted: Sequence[Mapping[str, Any]], *, by: User) -> list[Rule]:
    """Set rules as {kind, days, is_on}; kinds left out stay as they are. Raises BadRule."""
    check(by, "privacy.manage")
    known = {rule.kind.name: rule for rule in rules()}
    with transaction.atomic():
        for one in wanted:
            rule = known.get(one["kind"])
            if rule is None:
                raise BadRule(f"There is no kind {one['kind']!r}.")
            if not 1 <= one["days"] <= LONGEST_DAYS:
                raise BadRule(f"{rule.kind.label}: give 1 to {LONGEST_DAYS:,} days.")
            if (rule.days, rule.is_on) == (one["days"], one["is_on"]):
                continue
            RetentionRule.objects.update_or_create(
                kind=rule.kind.name, defaults={"days": one["days"], "is_on": one["is_on"]}
            )
            detail = {"kind": rule.kind.name, "days": one["days"], "is_on": one["is_on"]}
            record_audit(by=by, verb="retention.changed", detail=detail)
    return rules()


# Following them


def start_purge(*, by: User | None = None) -> Job:
    """Queue a purge by the rules that are on. Raises core.jobs.JobIsOpen while one runs."""
    if by is not None:
        check(by, "privacy.manage")
    return start_job(KIND, "Delete what is old", by=by, exclusive=KIND)


def run_purge(progress: Progress) -> dict[str, Any]:
    """The job: each rule in its turn, batch by batch; a crash repeats no more than one batch."""
    now, done = timezone.now(), dict(progress.job.cursor.get("done", {}))
    for rule in rules():
        if not rule.is_on:
            continue
        with progress.step(rule.kind.name) as counts:
            gone = 0
            while batch := rule.kind.purge(rule.before(now)):
                gone += batch
                done[rule.kind.name] = done.get(rule.kind.name, 0) + batch
                progress.save_cursor({"done": done}, done=sum(done.values()))
            counts["rows"] = gone
    return {"rows": done}


def sweep(now: datetime | None = None) -> bool:
    """Start the purge of this date after half past four in the workspace's zone; whether one was started."""
    workspace = Workspace.current()
    local = (now or timezone.now()).astimezone(workspace.tz)
    midnight = datetime.combine(local.date(), time.min, tzinfo=workspace.tz)
    if local.time() < DUE_AT or Job.objects.filter(kind=KIND, created_at__gte=midnight).exists():
        return False
    try:
        start_purge()
    except JobIsOpen:
        return False
    return True


def register() -> None:
    """Make the job known."""
    register_runner(KIND, run_purge)
