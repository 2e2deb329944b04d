"""Pages of the shared ground that need to know who is asking: search, jobs, removing the demo."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from accounts.models import User
from accounts.permissions import requires, signed_in
from accounts.services import record_audit
from core import search as palette
from core.demo import remove_demo
from core.fragments import is_fragment
from core.models import Job, JobState
from core.paging import Sort, desc, page_for
from core.text import clean_text

JOB_SORTS = {"-created": Sort(desc("created_at"))}


@require_GET
@signed_in
def search(request: HttpRequest) -> HttpResponse:
    """What is found for `q`: lines for the palette, or a page with more of each."""
    text = clean_text(request.GET.get("q", "")[: 4 * palette.LONGEST], palette.LONGEST).strip()
    in_palette = is_fragment(request)
    limit = palette.IN_PALETTE if in_palette else palette.ON_PAGE
    context: dict[str, Any] = {"q": text, "groups": palette.search(text, request.user, limit=limit)}
    if in_palette and not text:
        context["groups"] = _places_to_go(request)
    return render(request, "core/_search_results.html" if in_palette else "core/search.html", context)


def _places_to_go(request: HttpRequest) -> list[palette.Group]:
    """Before anything is typed: what was opened lately, and what can be begun."""
    found = [
        palette.Group("recent", _("Recent"), palette.recent(request.GET.getlist("recent"), request.user)),
        palette.Group("actions", _("Actions"), palette.actions_for(request.user)),
    ]
    return [group for group in found if group.hits]


def _jobs(request: HttpRequest) -> QuerySet[Job]:
    state = request.GET.get("state", "")
    if state and state not in JobState.values:
        raise BadRequest(f"There is no job state {state[:20]!r}.")
    found = Job.objects.select_related("created_by")
    return found.filter(state=state) if state else found


@require_GET
@requires("job.read")
def job_list(request: HttpRequest) -> HttpResponse:
    """Long work, newest first."""
    page = page_for(request, _jobs(request), sorts=JOB_SORTS, default="-created")
    context = {"page": page, "states": JobState.choices, "state": request.GET.get("state", "")}
    return render(request, "core/job_list.html", context)


@require_GET
@requires("job.read")
def job_detail(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One job: progress, steps, result and what was rejected."""
    job = get_object_or_404(Job.objects.select_related("created_by"), pk=pk)
    return render(request, "core/job_detail.html", {"job": job})


@require_GET
@requires("job.read")
def job_progress(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The progress of one job, asked again while it is open."""
    job = get_object_or_404(Job, pk=pk)
    response = render(request, "core/_job.html", {"job": job, "poll_url": request.path})
    if not job.is_open:
        response["HX-Trigger"] = "rapport:job-ended"
    return response


@require_POST
@requires("demo.remove")
def demo_remove(request: HttpRequest) -> HttpResponse:
    """Empty the demo workspace; a second click finds nothing to do."""
    if remove_demo(by=request.user):
        record_audit(by=cast(User, request.user), verb="demo.removed")
        messages.success(request, _("The demo is gone. Connect a channel or import your customers."))
    return redirect("accounts:home")
