"""Pages about customers: the list, the page that is their timeline, and imports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.files.storage import default_storage
from django.db.models import Count, Max, Min, Sum
from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import replace_url

from accounts.permissions import requires, staff
from core import networks
from core.demo import is_demo
from core.imports import importers
from core.jobs import start_job
from core.paging import page_for
from crm import panels
from crm.affiliations import ids_about
from crm.filters import CUSTOMER_SORTS, CustomerFilter
from crm.forms import IdentityForm, ImportForm
from crm.merging import root_of
from crm.models import Customer, Order, Stage, Tag
from crm.services import Handle, IdentityTaken, attach_identity
from crm.timeline import stream


def _found(request: HttpRequest) -> CustomerFilter:
    everybody = Customer.objects.visible_to(request.user).roots()
    return CustomerFilter(request.GET, queryset=everybody, request=request)


@require_GET
@requires("customer.read")
def customer_list(request: HttpRequest) -> HttpResponse:
    """Customers, those heard from last first."""
    found = _found(request)
    rows = found.qs if found.is_valid() else Customer.objects.none()
    context = {
        "filter": found,
        "page": page_for(request, rows.for_list(), sorts=CUSTOMER_SORTS, default="-last_seen"),
        "sorts": CUSTOMER_SORTS,
        "stages": Stage.choices,
        "networks": networks.known(),
        "tags": Tag.objects.order_by("name")[:200],
        "wanted": {name: value for name, value in request.GET.items() if value and name in found.filters},
    }
    is_fragment = bool(getattr(request, "htmx", False)) and not request.htmx.boosted  # type: ignore[attr-defined]
    return render(request, "crm/_customer_rows.html" if is_fragment else "crm/customer_list.html", context)


@require_GET
@requires("customer.read")
def customer_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Everything of one customer in one stream; a merged one leads to the record that owns it."""
    customer = get_object_or_404(Customer.objects.select_related("owner", "referred_by"), pk=pk)
    if customer.is_merged:
        return HttpResponsePermanentRedirect(root_of(customer).get_absolute_url())
    ids = ids_about(customer)
    context = {
        "customer": customer,
        "tags": Tag.objects.filter(customer_tags__customer=customer).distinct().order_by("name"),
        "orders": _purchases(ids),
        "networks": networks.known(),
        **panels.collect(request, customer),
        **stream(request, ids),
    }
    return render(request, "crm/customer.html", context)


def _purchases(ids: Sequence[int]) -> dict[str, Any]:
    paid = Order.objects.filter(customer_id__in=ids).paid()
    return paid.aggregate(
        count=Count("pk"), total=Sum("base_total"), first=Min("placed_at"), last=Max("placed_at")
    )


@require_GET
@requires("customer.read")
def customer_timeline(request: HttpRequest, pk: int) -> HttpResponse:
    """The next entries of a timeline, or the first ones of another filter, whose address the page takes."""
    customer = get_object_or_404(Customer.objects.roots(), pk=pk)
    context = {"customer": customer, **stream(request, ids_about(customer))}
    answer = render(request, "crm/_timeline.html", context)
    if "before" not in request.GET:
        query = f"?{context['query']}" if context["query"] else ""
        replace_url(answer, customer.get_absolute_url() + query)
    return answer


@require_POST
@requires("customer.edit")
def identity_add(request: HttpRequest, pk: int) -> HttpResponse:
    """Attach a handle that nobody has yet."""
    customer = get_object_or_404(Customer.objects.roots(), pk=pk)
    form = IdentityForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Say which network, and the handle, address or number."))
        return redirect("crm:customer", pk)
    try:
        attach_identity(customer=customer, handle=Handle(**form.cleaned_data), by=staff(request))
    except IdentityTaken as error:
        return redirect(f"{reverse('crm:identity', args=[error.identity.pk])}?to={pk}")
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    else:
        messages.success(request, _("Attached."))
    return redirect("crm:customer", pk)


@require_http_methods(["GET", "POST"])
@requires("import.run")
def import_file(request: HttpRequest) -> HttpResponse:
    """Upload a file; it is stored row by row as a job, and the rows that cannot be are listed there."""
    form = ImportForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and not is_demo() and form.is_valid():
        file, kind = form.cleaned_data["file"], form.cleaned_data["kind"]
        suffix = file.name.rsplit(".", 1)[-1].lower()
        kept = default_storage.save(f"imports/{uuid4()}.{suffix}", file)
        source = form.cleaned_data["source"] or "import"
        title = _("Import %(what)s from %(file)s") % {
            "what": importers[kind].label.lower(),
            "file": file.name[:100],
        }
        job = start_job(
            kind, title, input={"path": default_storage.path(kept), "source": source}, by=staff(request)
        )
        return redirect("core:job-detail", job.pk)
    context = {"form": form, "importers": importers.values(), "is_demo": is_demo()}
    return render(request, "crm/import.html", context, status=422 if form.errors else 200)
