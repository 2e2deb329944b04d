"""Tasks: what staff must do for a customer, by when, and who."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.permissions import check
from accounts.services import record_audit
from core import notices
from core.events import emit
from core.models import Workspace
from core.notices import Notice
from core.text import clean_text
from crm.models import Customer, Task
from crm.trees import hold_unmerged

EDITABLE = frozenset({"title", "due_on", "assignee"})
CAP = 99


def today(workspace: Workspace | None = None) -> date:
    """The day it is in the workspace's zone, by which a task is overdue."""
    return (workspace or Workspace.current()).today(timezone.now())


def open_tasks(user: User) -> QuerySet[Task]:
    """What this person has to do; those without a day come last."""
    return Task.objects.filter(assignee=user, done_at__isnull=True).select_related("customer")


def notices_for(user: User, limit: int) -> list[Notice]:
    """Open tasks that somebody else gave this person, for the bell."""
    given = open_tasks(user).exclude(created_by=user).select_related("created_by")
    return [_notice(task) for task in given.order_by("-created_at", "-pk")[:limit]]


def _notice(task: Task) -> Notice:
    who = task.created_by.display_name if task.created_by else _("Somebody")
    return Notice(
        at=task.created_at,
        text=_("%(who)s asks: %(title)s") % {"who": who, "title": task.title},
        detail=str(task.customer),
        url=f"{task.customer.get_absolute_url()}#tasks",
        icon="checklist",
    )


def due_count(user: User) -> int:
    """How many are due today or late; at most one more than is shown."""
    due = Task.objects.filter(assignee=user, done_at__isnull=True, due_on__lte=today())
    return due[: CAP + 1].count()


@transaction.atomic
def add_task(
    *, customer: Customer, title: str, due_on: date | None = None, assignee: User | None = None, by: User
) -> Task:
    """Add a task. Raises ValidationError for an empty title, or a customer merged away."""
    check(by, "customer.edit")
    customer = hold_unmerged(customer)
    task = Task(
        title=_cleaned(title), due_on=due_on, assignee=assignee, created_by=by,
        customer=customer, home_customer=customer,
    )  # fmt: skip
    task.save()
    _tell("task.created", task, by)
    return task


@transaction.atomic
def change_task(*, task: Task, values: Mapping[str, Any], by: User) -> Task:
    """Change title, day or who does it. Raises ValidationError for an empty title."""
    check(by, "customer.edit")
    task = Task.objects.select_for_update().get(pk=task.pk)
    wanted = {name: _cleaned(value) if name == "title" else value for name, value in values.items()}
    if unknown := set(wanted) - EDITABLE:
        raise KeyError(f"not a task's field: {sorted(unknown)}")
    changed = sorted(name for name, value in wanted.items() if getattr(task, name) != value)
    for name in changed:
        setattr(task, name, wanted[name])
    if changed:
        task.save(update_fields=changed)
        _tell("task.changed", task, by)
    return task


@transaction.atomic
def finish_task(*, task: Task, done: bool = True, by: User) -> Task:
    """Tick a task off, or open it again; the second click changes nothing."""
    check(by, "customer.edit")
    task = Task.objects.select_for_update().get(pk=task.pk)
    if (task.done_at is not None) == done:
        return task
    task.done_at, task.done_by = (timezone.now(), by) if done else (None, None)
    task.save(update_fields=["done_at", "done_by"])
    _tell("task.done" if done else "task.reopened", task, by)
    return task


def tasks_due(when: str) -> Q:
    """Open tasks of a customer by what they wait for: any, overdue, today or week."""
    now = today()
    days = {
        "any": Q(),
        "overdue": Q(due_on__lt=now),
        "today": Q(due_on__lte=now),
        "week": Q(due_on__lte=date.fromordinal(now.toordinal() + 7)),
    }
    return Q(done_at__isnull=True) & days[when]


def register() -> None:
    """Called once, when the app is ready."""
    notices.register("tasks", notices_for)


def _cleaned(title: str) -> str:
    cleaned = clean_text(title, limit=200).strip()
    if not cleaned:
        raise ValidationError({"title": ValidationError(_("Say what is to be done."), code="blank")})
    return cleaned


def _tell(verb: str, task: Task, by: User) -> None:
    """What is to be done may name people, so it stays out of the audit trail."""
    record_audit(by=by, verb=verb, target=task, name="", detail={"customer": task.customer_id})
    told = {"staff", *({f"user:{task.assignee_id}"} if task.assignee_id else set())}
    emit(verb, channels=sorted(told), task=task.pk, customer=task.customer_id)
