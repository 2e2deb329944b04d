"""Pages about segments, personas and the rebuild that computes them."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from accounts.permissions import can, requires, staff
from core.formatting import moment
from core.jobs import JobIsOpen
from core.models import Job
from personas import nightly
from personas.models import (
    PersonaMembership,
    Prediction,
    SegmentMembership,
    Traits,
)
from personas.traits.showing import ON_THE_RECORD, shown

# Rebuild


@require_POST
@requires("rebuild.start")
def rebuild_start(request: HttpRequest) -> HttpResponse:
    """Start a rebuild; while one runs, its progress is shown instead."""
    try:
        job = nightly.start_rebuild(full=request.POST.get("full") == "1", by=staff(request))
    except JobIsOpen as error:
        job = error.job
        messages.info(request, under_way(job))
    return redirect("core:job-detail", job.pk)


def under_way(job: Job) -> str:
    """What is said to whoever asks for another rebuild while one is open, whose page is shown."""
    if job.is_waiting:
        said = _("A rebuild has been waiting for its turn since %(at)s. Try again when it is done.")
        return said % {"at": moment(job.created_at)}
    return _("A rebuild is running. Try again when it is done; this is its progress.")


@require_GET
@requires("persona.read")
def rebuild_bar(request: HttpRequest) -> HttpResponse:
    """When everything was computed last, and the progress of a run that goes on."""
    return render(request, "personas/_rebuild.html", {"rebuild": nightly.newest_rebuild()})


# On other pages


@require_GET
@requires("customer.read")
def customer_panel(request: HttpRequest, pk: int) -> HttpResponse:
    """What is computed about a customer, for their page and the inbox."""
    if not can(request.user, "persona.read"):
        return HttpResponse()
    memberships = SegmentMembership.objects.filter(customer_id=pk).select_related("segment")
    traits = Traits.objects.filter(customer_id=pk).first()
    context = {
        "belongs": PersonaMembership.objects.filter(customer_id=pk).select_related("persona").first(),
        "prediction": Prediction.objects.filter(customer_id=pk).first(),
        "segments": memberships.order_by("-since")[:8],
        "traits": shown(traits, leave_out=ON_THE_RECORD),
        "customer_id": pk,
        "on_page": request.GET.get("on") == "page",
    }
    return render(request, "personas/_customer_panel.html", context)
