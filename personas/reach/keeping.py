"""Plans that are kept: made, renamed, deleted, and held against what happened since."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.permissions import check
from accounts.services import record_audit
from core.holding import held
from core.models import Workspace
from core.sql import statement
from core.text import clean_text
from personas.models import Persona, ReachPlan, Segment
from personas.reach.bounding import bounded
from personas.reach.evidence import Audience
from personas.reach.planning import Ask, audience_of, make_plan
from personas.reach.scheduling import MESSAGE, POST

Row = dict[str, Any]


@transaction.atomic
def keep_plan(*, ask: Ask, name: str, by: User) -> ReachPlan:
    """Make a plan and keep it as it was made. Raises ReachTooSlow, and Gone where nobody is left to reach."""
    check(by, "persona.edit")
    with bounded(by):
        result = make_plan(ask)
    _hold(ask.audience)
    plan = ReachPlan.objects.create(
        name=clean_text(name, limit=120).strip() or default_name(ask),
        first_day=ask.first,
        last_day=ask.last,
        posts=ask.posts,
        messages=ask.messages,
        result=result,
        created_by=by,
        **{f"{ask.audience.kind}_id": ask.audience.pk},
    )
    detail = {"posts": ask.posts, "messages": ask.messages, "days": (ask.last - ask.first).days + 1}
    record_audit(by=by, verb="plan.made", target=plan, detail=detail)
    return plan


def _hold(audience: Audience) -> None:
    """From here on nobody deletes whom the plan is for; somebody may have while it was made."""
    if audience.kind == "segment":
        held(Segment.objects.all(), audience.pk, _("This segment is gone. Choose another one."))
    else:
        held(Persona.objects.all(), audience.pk, _("This persona is gone. Choose another one."))


def default_name(ask: Ask) -> str:
    """Whom it is for and when, where nobody gave a name."""
    return f"{ask.audience.name}, {ask.first:%Y-%m-%d} – {ask.last:%Y-%m-%d}"[:120]


@transaction.atomic
def delete_plan(*, plan: ReachPlan, by: User) -> None:
    """Take a plan away; what was posted stays as it is."""
    check(by, "persona.edit")
    plan = held(ReachPlan.objects.all(), plan.pk, _("This plan is gone already."))
    record_audit(by=by, verb="plan.deleted", target=plan)
    plan.delete()


# Held against what happened


@dataclass(frozen=True)
class Outcome:
    """What was planned up to a day and what was done, by network; reactions are those of the audience."""

    until: date
    rows: list[Row]
    is_begun: bool

    @property
    def planned(self) -> int:
        """Posts planned so far."""
        return sum(row["planned"] for row in self.rows)

    @property
    def made(self) -> int:
        """Posts made so far."""
        return sum(row["made"] for row in self.rows)


def outcome(plan: ReachPlan) -> Outcome:
    """What happened on the days of a plan so far: our posts and messages, their reactions and answers."""
    workspace = Workspace.current()
    today = workspace.today()
    until = min(today, plan.last_day)
    if until < plan.first_day:
        return Outcome(until, [], is_begun=False)
    done = {row["network"]: row for row in _done(plan, until, workspace)}
    planned: dict[str, Row] = {}
    for entry in plan.result.get("entries", []):
        if date.fromisoformat(entry["day"]) <= until:
            row = planned.setdefault(entry["network"], {POST: 0, MESSAGE: 0, "days": set()})
            row[entry["what"]] += entry["people"] if entry["what"] == MESSAGE else 1
            if entry["what"] == POST:
                row["days"].add(entry["day"])
    rows = [_row(network, planned.get(network), done.get(network)) for network in sorted({*planned, *done})]
    return Outcome(until, rows, is_begun=True)


def _row(network: str, planned: Row | None, done: Row | None) -> Row:
    days = set(planned["days"]) if planned else set()
    posted = [day.isoformat() for day in done["post_days"]] if done else []
    return {
        "network": network,
        "planned": planned[POST] if planned else 0,
        "made": done["posts"] if done else 0,
        "on_planned_days": sum(day in days for day in posted),
        "reactions": done["reactions"] if done else 0,
        "messages_planned": planned[MESSAGE] if planned else 0,
        "messages_made": done["messages"] if done else 0,
        "answered": done["answered"] if done else 0,
    }


def _done(plan: ReachPlan, until: date, workspace: Workspace) -> list[Row]:
    audience = audience_of(plan.persona, plan.segment)
    text = statement("personas", "reach_done").replace("/*members*/", audience.members)
    zone = workspace.tz
    parameters: dict[str, Any] = {
        "start": datetime.combine(plan.first_day, time.min, tzinfo=zone),
        "before": datetime.combine(until + timedelta(days=1), time.min, tzinfo=zone),
        "zone": workspace.zone,
    }
    with connection.cursor() as cursor:
        cursor.execute(text, parameters)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
