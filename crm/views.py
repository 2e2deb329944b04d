"""Pages about customers: the page that is their timeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import Count, Max, Min, Sum
from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST
from django_htmx.http import replace_url

from accounts.permissions import requires, staff
from core import networks
from crm import panels
from crm.affiliations import ids_about
from crm.forms import IdentityForm
from crm.looks import note_look
from crm.models import Customer, Order, Tag
from crm.services import Handle, IdentityTaken, attach_identity
from crm.timeline import stream
from crm.trees import root_of


@require_GET
@requires("customer.read")
def customer_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Everything of one customer in one stream; a merged one leads to the record that owns it."""
    customer = get_object_or_404(Customer.objects.select_related("owner", "referred_by"), pk=pk)
    if customer.is_merged:
        return HttpResponsePermanentRedirect(root_of(customer).get_absolute_url())
    note_look(customer, by=staff(request))
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
    customer = get_object_or_404(Customer.objects.visible_to(request.user).roots(), pk=pk)
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
    customer = get_object_or_404(Customer.objects.visible_to(request.user).roots(), pk=pk)
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
