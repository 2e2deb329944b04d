"""Pages about privacy: export and erase one person, leave somebody out of profiles, set retention."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.files.storage import default_storage
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.permissions import can, requires, staff
from accounts.services import record_audit
from core.fragments import is_fragment
from core.jobs import JobIsOpen
from core.models import Job, JobState
from crm import looks
from crm.facts import STAFF
from crm.models import Customer
from crm.privacy.erasing import start_erasure
from crm.privacy.exporting import start_export
from crm.privacy.forms import EraseForm, RuleForm
from crm.privacy.retention import KIND, MOST_COUNTED, BadRule, rules, set_rules, start_purge
from crm.privacy.stored_files import EXPORT_KIND
from crm.privacy.subjects import counts_of, subject_of
from crm.profiling import allow_profiling, refuse_profiling


def panel(request: HttpRequest, customer: Customer) -> dict[str, Any]:
    """What the customer page shows: for those who read the trail, who looked and who changed."""
    may_read = can(request.user, "audit.read")
    return {"entries": looks.entries_about(customer) if may_read else [], "may_read": may_read}


@require_POST
@requires("customer.export")
def export_start(request: HttpRequest, pk: int) -> HttpResponse:
    """Begin to gather everything about one customer."""
    customer = get_object_or_404(Customer.objects.visible_to(request.user).roots(), pk=pk)
    try:
        job = start_export(customer=customer, by=staff(request))
    except JobIsOpen as error:
        job = error.job
    return redirect("crm:person-export", pk, job.pk)


def _export_job(pk: int, job_pk: UUID) -> Job:
    return get_object_or_404(Job, pk=job_pk, kind=EXPORT_KIND, input__customer=pk)


@require_GET
@requires("customer.export")
def export_page(request: HttpRequest, pk: int, job_pk: UUID) -> HttpResponse:
    """How far the export is, and the file once it is there."""
    customer = get_object_or_404(Customer.objects.visible_to(request.user).roots(), pk=pk)
    context = {"customer": customer, "job": _export_job(pk, job_pk)}
    name = "crm/_person_export_job.html" if is_fragment(request) else "crm/person_export_job.html"
    return render(request, name, context)


@require_GET
@requires("customer.export")
def export_file(request: HttpRequest, pk: int, job_pk: UUID) -> HttpResponseBase:
    """The archive, for those who may; each download stands in the audit trail."""
    job = _export_job(pk, job_pk)
    return archive_response(job, pk, by=staff(request))


def archive_response(job: Job, pk: int, *, by: Any) -> FileResponse:
    """The archive of a finished export. Raises Http404 where it is not there yet, or not any more."""
    name = job.result.get("file", "")
    if job.state != JobState.DONE or not name or not default_storage.exists(name):
        raise Http404
    record_audit(by=by, verb="customer.export_downloaded", target=Customer(pk=pk), name="")
    response = FileResponse(
        default_storage.open(name, "rb"),
        as_attachment=True,
        filename=f"customer-{pk}.zip",
        content_type="application/zip",
    )
    response["Cache-Control"] = "no-store"
    return response


@require_http_methods(["GET", "POST"])
@requires("customer.erase")
def erase(request: HttpRequest, pk: int) -> HttpResponse:
    """Say what will go, and erase once the number was typed."""
    customer = get_object_or_404(Customer.objects.visible_to(request.user).roots(), pk=pk)
    form = EraseForm(request.POST or None, number=pk)
    if request.method == "POST" and form.is_valid():
        try:
            job = start_erasure(customer=customer, by=staff(request), reason=form.cleaned_data["reason"])
        except JobIsOpen as error:
            job = error.job
        return redirect("core:job-detail", job.pk)
    subject = subject_of(customer)
    context = {
        "customer": customer,
        "form": form,
        "counts": counts_of(subject).items(),
        "merged": len(subject.customers) - 1,
        "identities": customer.identities.order_by("pk")[:50],
    }
    return render(request, "crm/erase.html", context, status=422 if form.errors else 200)


@require_POST
@requires("customer.edit")
def profiling_set(request: HttpRequest, pk: int) -> HttpResponse:
    """Leave somebody out of personas and predictions, or let them in again."""
    customer = get_object_or_404(Customer.objects.visible_to(request.user).roots(), pk=pk)
    if request.POST.get("refused") == "1":
        refuse_profiling(customer=customer, source=STAFF, by=staff(request))
        messages.success(request, _("Left out of personas and predictions as of now."))
    else:
        allow_profiling(customer=customer, source=STAFF, by=staff(request))
        messages.success(request, _("The next rebuild takes them in again."))
    return redirect("crm:customer", pk)


@require_http_methods(["GET", "POST"])
@requires("privacy.manage")
def retention(request: HttpRequest) -> HttpResponse:
    """How long each kind is kept, and what would go today."""
    known, now = rules(), timezone.now()
    forms = [RuleForm(request.POST or None, rule=rule) for rule in known]
    wrong = [form for form in forms if form.is_bound and not form.is_valid()]
    if request.method == "POST" and not wrong:
        wanted = [{"kind": form.rule.kind.name, **form.cleaned_data} for form in forms]
        try:
            set_rules(wanted, by=staff(request))
        except BadRule as error:
            messages.error(request, str(error))
        else:
            messages.success(request, _("Saved. The next purge follows it."))
            return redirect("crm:retention")
    context = {
        "rows": [(form, form.rule.due(now)) for form in forms],
        "most": MOST_COUNTED,
        "last": Job.objects.filter(kind=KIND).order_by("-created_at").first(),
    }
    return render(request, "crm/retention.html", context, status=422 if wrong else 200)


@require_POST
@requires("privacy.manage")
def purge_start(request: HttpRequest) -> HttpResponse:
    """Follow the rules at once."""
    try:
        job = start_purge(by=staff(request))
    except JobIsOpen as error:
        job = error.job
    return redirect("core:job-detail", job.pk)
