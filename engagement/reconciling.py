"""Compares accounts with their platforms: what they say they have, what is here, what was fetched after all.

Each local day of the last week is asked once a night, by one job for all accounts; a job by hand takes one
account and up to thirty days. Ids are compared in sets. What is missing is fetched and goes in by the one
door that everything takes; what is gone there is marked as deleted here. Each day has a row, in which a
second look adds to what the first one found. Days before the account was connected, or older than what is
kept, are not compared: what is missing there was never wanted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from typing import Any

import structlog
from django.core.cache import cache
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.permissions import check
from core.jobs import JobFailed, JobIsOpen, Progress, register_runner, start_job
from core.models import Job, Workspace
from core.text import clean_text
from crm.models import Order
from crm.privacy.retention import rules
from engagement import credentials, rates
from engagement.channels import connector, paths
from engagement.channels.base import (
    AuthFailure,
    Change,
    Connector,
    Listed,
    Page,
    RateReached,
    SendFailed,
    TokenExpired,
    TransientFailure,
)
from engagement.ingest import Outcome, ingest
from engagement.intake import take_in
from engagement.models import ChannelAccount, Interaction, Reconciliation
from engagement.pulls import CLOSED_HEALTH, note_login_needed
from engagement.raw_events import park, rejected

log = structlog.get_logger(__name__)

KIND = "reconcile"
DUE_AT = clock(3, 30)
DAYS, MOST_DAYS = 7, 30
SETTLED = timedelta(minutes=15)
"""What was said so recently may still be on its way here by the usual road."""
ASKED_AT_ONCE = 100
MOST_GONE = 1_000
"""Of so many a day it is asked whether they are gone."""
MOST_PAGES = 20_000
SAME_PAGES = 3
LONGEST_WAIT = 30.0
RETAINED = ("conversations", "visits")

Beat = Callable[[], None]


@dataclass
class Compared:
    """What one look at a stretch of time found."""

    theirs: int = 0
    missing: int = 0
    repaired: int = 0
    gone: int = 0

    def add(self, other: Compared) -> None:
        """Count another day with these."""
        self.theirs += other.theirs
        self.missing += other.missing
        self.repaired += other.repaired
        self.gone += other.gone


# When


def is_comparable(account: ChannelAccount) -> bool:
    """Whether the platform can be asked what it has."""
    return account.connector in paths() and connector(account.connector).reconciles


def comparable() -> list[ChannelAccount]:
    """Every account that is connected, works, and can be compared."""
    rows = ChannelAccount.objects.active().exclude(health__in=CLOSED_HEALTH).order_by("pk")
    return [account for account in rows if is_comparable(account)]


def sweep(now: datetime | None = None) -> Job | None:
    """Start the comparison of this local date, where it is due and has not run."""
    at = now or timezone.now()
    workspace = Workspace.current()
    local = at.astimezone(workspace.tz)
    if local.time() < DUE_AT or not cache.add("reconciling-looked", True, timeout=60):
        return None
    day = local.date().isoformat()
    if Job.objects.filter(kind=KIND, input__night=day).exists():
        return None
    found = [account.pk for account in comparable()]
    if not found:
        return None
    try:
        return start_job(
            KIND,
            _("Compare channels with their platforms"),
            input={"night": day, "accounts": found, "days": DAYS},
            exclusive="night",
        )
    except JobIsOpen:
        return None


def compare_now(*, account: ChannelAccount, days: int, by: User) -> Job:
    """Compare one account in a job. Raises JobIsOpen, and ValueError where it cannot be compared."""
    check(by, "channel.manage")
    if not account.is_active or not is_comparable(account):
        raise ValueError(_("This channel cannot be compared."))
    if not 1 <= days <= MOST_DAYS:
        raise ValueError(_("Compare 1 to %(most)s days.") % {"most": MOST_DAYS})
    return start_job(
        KIND,
        _("Compare %(name)s with its platform") % {"name": account.name},
        input={"accounts": [account.pk], "days": days},
        by=by,
        exclusive=f"account {account.pk}",
    )


# The job


def run(progress: Progress) -> dict[str, Any]:
    """Compare the accounts of the job, day by day; a killed run goes on with the day it stood at."""
    given = progress.job.input
    ids, days = list(given["accounts"]), int(given["days"])
    cursor = {"account": 0, "day": "", "counts": {}, "failed": {}, **progress.job.cursor}
    for position in range(cursor["account"], len(ids)):
        account = ChannelAccount.objects.active().filter(pk=ids[position]).first()
        if account is not None and is_comparable(account):
            _compare_account(account, days, cursor, progress)
        cursor |= {"account": position + 1, "day": ""}
        progress.save_cursor(cursor, done=(position + 1) * days, total=len(ids) * days)
    if cursor["failed"] and len(ids) == 1:
        raise JobFailed(next(iter(cursor["failed"].values())))
    return {"counts": {"accounts": len(ids), "failed": len(cursor["failed"]), **cursor["counts"]}}


def _compare_account(account: ChannelAccount, days: int, cursor: dict[str, Any], progress: Progress) -> None:
    """All days of one account; what fails is told on the account, and the others go on."""
    progress.beat(phase=account.name[:100])
    try:
        for day, since, until in stretches(account, days):
            if day.isoformat() < cursor["day"]:
                continue
            found = compare_day(account, day, since, until, beat=progress.beat)
            _count(cursor["counts"], found)
            cursor["day"] = (day + timedelta(days=1)).isoformat()
            progress.save_cursor(cursor, done=progress.job.done + 1)
            progress.job.done += 1
    except SendFailed as failure:
        cursor["failed"][str(account.pk)] = _tell(account, failure)
    else:
        ChannelAccount.objects.filter(pk=account.pk).update(reconciled_at=timezone.now(), reconcile_text="")


def _count(counts: dict[str, int], found: Compared) -> None:
    for name in ("theirs", "missing", "repaired", "gone"):
        counts[name] = counts.get(name, 0) + getattr(found, name)


def _tell(account: ChannelAccount, failure: SendFailed) -> str:
    text = clean_text(str(failure) or type(failure).__name__, limit=500)
    log.warning("comparison did not end", account=account.pk, reason=text)
    ChannelAccount.objects.filter(pk=account.pk).update(reconcile_text=text)
    if isinstance(failure, AuthFailure):
        note_login_needed(account, text)
    return text


def stretches(
    account: ChannelAccount, days: int, now: datetime | None = None
) -> Iterator[tuple[date, datetime, datetime]]:
    """The local days to be compared, oldest first, each with its first and last moment."""
    at = now or timezone.now()
    zone = Workspace.current().tz
    border = max(account.created_at, _kept_since(at))
    pause = max(SETTLED, timedelta(seconds=2 * connector(account.connector).pull_every_seconds))
    today = at.astimezone(zone).date()
    for back in range(days - 1, -1, -1):
        day = today - timedelta(days=back)
        begins = datetime.combine(day, clock(), zone).astimezone(UTC)
        ends = datetime.combine(day + timedelta(days=1), clock(), zone).astimezone(UTC)
        since, until = max(begins, border), min(ends, at - pause)
        if since < until:
            yield day, since, until


def _kept_since(now: datetime) -> datetime:
    """What is older may have been deleted here on purpose."""
    days = [rule.days for rule in rules() if rule.is_on and rule.kind.name in RETAINED]
    return now - timedelta(days=min(days)) if days else datetime.min.replace(tzinfo=UTC)


# One day


def compare_day(
    account: ChannelAccount, day: date, since: datetime, until: datetime, *, beat: Beat
) -> Compared:
    """Compare one local day of one account and keep what was found. Raises SendFailed.

    A token that ends meanwhile is renewed, and the day begins anew: what was fetched is known then.
    """
    credentials.ensure_fresh(account)
    link = connector(account.connector)
    try:
        found = _compare(account, link, since, until, beat)
    except TokenExpired:
        if not link.refreshes:
            raise
        credentials.refresh(account)
        found = _compare(account, link, since, until, beat)
    _keep(account, day, found)
    return found


def _compare(
    account: ChannelAccount, link: Connector, since: datetime, until: datetime, beat: Beat
) -> Compared:
    look = _Look(account, link, since, until, beat)
    for listed in look.pages():
        look.found.theirs += len(listed)
        missing = look.missing(listed)
        if missing:
            look.repair(missing)
    look.follow_deletions()
    return look.found


@dataclass
class _Look:
    """One look at one stretch of time of one account."""

    account: ChannelAccount
    link: Connector
    since: datetime
    until: datetime
    beat: Beat
    seen: set[str] = field(default_factory=set)
    found: Compared = field(default_factory=Compared)

    def pages(self) -> Iterator[list[Listed]]:
        """What the platform lists, each thing once. Raises TransientFailure where its list does not end."""
        same = 0
        pages = iter(self.link.list_window(self.account, self.since, self.until))
        for number in range(MOST_PAGES):
            self._wait()
            listed = next(pages, None)
            if listed is None:
                return
            fresh = list(
                {one.external_id: one for one in listed if one.external_id not in self.seen}.values()
            )
            self.seen.update(one.external_id for one in fresh)
            same = same + 1 if listed and not fresh else 0
            if same >= SAME_PAGES:
                raise TransientFailure(
                    _("The platform gives the same page again and again (page %d).") % number
                )
            yield fresh
            self.beat()
        raise TransientFailure(_("The platform's list does not end."))

    def _wait(self) -> None:
        """Keep to the platform's allowance; a long wait is left to the next night."""
        while seconds := rates.take(self.account, "pull"):
            if seconds > LONGEST_WAIT:
                raise RateReached(
                    _("The platform's allowance is used up; the rest is compared next time."),
                    retry_after=seconds,
                )
            time.sleep(seconds)
            self.beat()

    def missing(self, listed: Sequence[Listed]) -> list[Listed]:
        """Those that are not here; one statement a page."""
        ids = [one.external_id for one in listed if "\x00" not in one.external_id]
        here = self._here(ids)
        return [one for one in listed if one.external_id not in here]

    def _here(self, ids: Sequence[str]) -> set[str]:
        if self.link.lists_orders:
            orders = Order.objects.filter(source=self.link.order_source(self.account), external_id__in=ids)
            return set(orders.values_list("external_id", flat=True))
        rows = Interaction.objects.filter(account=self.account, external_id__in=ids)
        return set(rows.values_list("external_id", flat=True))

    def repair(self, missing: Sequence[Listed]) -> None:
        """Fetch what came without an event, and take all of it in."""
        self.found.missing += len(missing)
        whole = [one.event for one in missing if one.event is not None]
        if whole:
            self._take(Page(events=whole, cursor={}))
        bare = [one.external_id for one in missing if one.event is None]
        for part in _parts(bare):
            self._wait()
            self._take(self.link.fetch(self.account, part))
            self.beat()

    def _take(self, page: Page) -> None:
        with transaction.atomic():
            result = take_in(self.account, page)
            park(self.account, [*page.bad, *rejected(page, result)])
        self.found.repaired += result.count(Outcome.STORED)
        # here meanwhile by another road, or said by somebody who was erased since
        known = result.count(Outcome.REPEATED) + result.count(Outcome.ERASED)
        self.found.missing = max(self.found.repaired, self.found.missing - known)

    def follow_deletions(self) -> None:
        """Mark what the platform surely has no more; only what it did not list is asked about."""
        if type(self.link).gone is Connector.gone:
            return
        for part in _parts(self._unlisted()):
            self._wait()
            lost = self.link.gone(self.account, part)
            if lost:
                now = timezone.now()
                ingest(self.account, [Change(external_id=one, kind="delete", at=now) for one in lost])
            self.found.gone += len(lost)
            self.beat()

    def _unlisted(self) -> list[str]:
        rows = Interaction.objects.filter(
            account=self.account,
            occurred_at__gte=self.since,
            occurred_at__lt=self.until,
            direction="inbound",
            deleted_at__isnull=True,
        )
        ids = rows.exclude(kind="visit").order_by("pk").values_list("external_id", flat=True)
        return [one for one in ids if one not in self.seen][:MOST_GONE]


def _parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for begin in range(0, len(ids), ASKED_AT_ONCE):
        yield ids[begin : begin + ASKED_AT_ONCE]


@transaction.atomic
def _keep(account: ChannelAccount, day: date, found: Compared) -> Reconciliation:
    """One row a day: what is missing at this look is added to what was repaired before."""
    Reconciliation.objects.bulk_create([Reconciliation(account=account, day=day)], ignore_conflicts=True)
    row = Reconciliation.objects.select_for_update().get(account=account, day=day)
    row.missing = row.repaired + found.missing
    row.repaired += found.repaired
    row.theirs = found.theirs
    row.ours = max(0, found.theirs - row.missing)
    row.gone += found.gone
    row.at = timezone.now()
    row.save()
    return row


def register() -> None:
    """Let workers run comparisons."""
    register_runner(KIND, run, queue="nightly")
