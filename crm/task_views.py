"""Tasks: on a customer's page, and all that one has to do."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import BadRequest, ValidationError
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.middleware import workspace_of
from accounts.permissions import requires, staff
from core.paging import EPOCH, Sort, asc, desc, page_for
from crm import groups, todo
from crm.forms import TaskForm
from crm.models import Customer, Task
from crm.record_views import page_at

FAR = todo.date(9999, 12, 31)
SORTS = {"due": Sort(asc("due_on", null=FAR))}
DONE_SORTS = {"-done": Sort(desc("done_at", null=EPOCH))}
WHOSE = {
    "": gettext_lazy("Mine"),
    "asked": gettext_lazy("Asked of others"),
    "free": gettext_lazy("Nobody's yet"),
    "done": gettext_lazy("Done by me"),
}


def _found(request: HttpRequest, whose: str) -> Any:
    tasks, user = Task.objects.select_related("customer", "assignee", "created_by"), staff(request)
    if whose == "done":
        return tasks.filter(done_by=user, done_at__isnull=False)
    tasks = tasks.filter(done_at__isnull=True)
    if whose == "asked":
        return tasks.filter(created_by=user).exclude(assignee=user)
    return tasks.filter(assignee=None if whose == "free" else user)


def _persona(request: HttpRequest) -> int | str | None:
    """The persona whose tasks are asked for; BadRequest for what is none."""
    try:
        return groups.GroupFormField(max_length=20, required=False).clean(request.GET.get("persona", ""))
    except ValidationError as error:
        raise BadRequest(error.messages[0]) from error


@require_GET
@requires("customer.read")
def task_list(request: HttpRequest) -> HttpResponse:
    """What one has to do, the most urgent first."""
    whose = request.GET.get("whose", "")
    whose = whose if whose in WHOSE else ""
    sorts = DONE_SORTS if whose == "done" else SORTS
    persona = _persona(request)
    found = _found(request, whose)
    if persona is not None:
        found = groups.narrowed(found, "persona", persona, by="customer_id")
    page = page_for(request, found, sorts=sorts, default=next(iter(sorts)))
    context = {
        "personas": groups.choices("persona"),
        "persona": str(persona or ""),
        "page": page,
        "whose": whose,
        "choices": WHOSE.items(),
        "today": todo.today(workspace_of(request)),
    }
    return render(request, "crm/task_list.html", context)


@require_GET
@requires("customer.read")
def task_count(request: HttpRequest) -> HttpResponse:
    """How many of one's tasks are due, for the rail."""
    return render(request, "crm/_task_count.html", {"count": todo.due_count(staff(request))})


@require_POST
@requires("customer.edit")
def task_add(request: HttpRequest, pk: int) -> HttpResponse:
    """Add a task for a customer."""
    customer = get_object_or_404(Customer.objects.visible_to(request.user).roots(), pk=pk)
    form = TaskForm(request.POST)
    if form.is_valid():
        todo.add_task(customer=customer, **form.cleaned_data, by=staff(request))
    else:
        messages.error(request, _("Say what is to be done, and give the day as a date."))
    return page_at(pk, "tasks")


@require_http_methods(["GET", "POST"])
@requires("customer.edit")
def task_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change a task, or give it to somebody else."""
    task = get_object_or_404(Task.objects.select_related("customer"), pk=pk)
    now = {"title": task.title, "due_on": task.due_on, "assignee": task.assignee_id}
    form = TaskForm(request.POST or None, initial=now)
    if request.method == "POST" and form.is_valid():
        todo.change_task(task=task, values=form.cleaned_data, by=staff(request))
        return page_at(task.customer_id, "tasks")
    context = {"form": form, "task": task, "customer": task.customer}
    return render(request, "crm/task_edit.html", context, status=422 if form.errors else 200)


@require_POST
@requires("customer.edit")
def task_finish(request: HttpRequest, pk: int) -> HttpResponse:
    """Tick a task off, or open it again."""
    task = get_object_or_404(Task, pk=pk)
    done = request.POST.get("done", "1") == "1"
    todo.finish_task(task=task, done=done, by=staff(request))
    messages.success(request, _("Done.") if done else _("Open again."))
    if request.POST.get("back") == "tasks":
        return redirect("crm:task-list")
    return page_at(task.customer_id, "tasks")


def panel(request: HttpRequest, customer: Customer) -> dict[str, Any]:
    """Open tasks of a customer, the most urgent first, then what was done last."""
    tasks = Task.objects.filter(customer=customer).select_related("assignee", "done_by")
    order = (F("done_at").desc(nulls_first=True), F("due_on").asc(nulls_last=True), "pk")
    day = todo.today(workspace_of(request))
    return {"rows": list(tasks.order_by(*order)[:20]), "today": day, "form": TaskForm()}
