"""Audiences for ad platforms: counted first, then taken along."""

from __future__ import annotations

from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.permissions import requires, staff
from accounts.services import record_audit
from core.demo import is_demo
from core.tables import csv_file
from crm import audiences
from crm.audiences import Group
from crm.filters import CustomerFilter
from crm.models import Customer
from crm.purposes import label_of

LIST = "list"


@require_http_methods(["GET", "POST"])
@requires("export.run")
def audience(request: HttpRequest, kind: str, pk: int = 0) -> HttpResponseBase:
    """GET counts how many of a group may be in an audience; POST is the file."""
    if request.method == "POST":
        return _file(request, kind, pk)
    group = _group(request, kind, pk)
    purpose = _asked(request.GET.get("purpose") or audiences.PURPOSES[0])
    filters = request.GET.copy()
    filters.pop("purpose", None)
    context = {
        "group": group,
        "counts": audiences.count(group, purpose),
        "purpose": purpose,
        "purposes": [(name, label_of(name)) for name in audiences.PURPOSES],
        "shapes": audiences.SHAPES.values(),
        "filters": [(name, value) for name, values in filters.lists() for value in values],
        "query": filters.urlencode(),
        "is_demo": is_demo(),
    }
    return render(request, "crm/audience.html", context)


def _file(request: HttpRequest, kind: str, pk: int = 0) -> StreamingHttpResponse:
    """The audience as CSV: nobody in it who did not allow this purpose."""
    if is_demo():
        raise BadRequest(_("The customers of the demo are made up: there is nobody to advertise to."))
    group = _group(request, kind, pk)
    purpose = _asked(request.POST.get("purpose", ""))
    shape = audiences.SHAPES.get(request.POST.get("shape", ""))
    if shape is None:
        raise BadRequest(_("Choose a platform."))
    counts = audiences.count(group, purpose)
    answer = csv_file(f"audience-{shape.name}", shape.header, audiences.rows(group, purpose, shape))
    detail = {
        "group": kind,
        "id": pk,
        "purpose": purpose,
        "shape": shape.name,
        "customers": counts.included,
        "of": counts.all,
    }
    record_audit(by=staff(request), verb="audience.exported", detail=detail)
    return answer


def _asked(purpose: str) -> str:
    if purpose not in audiences.PURPOSES:
        words = _("An audience is made for one of: %(known)s.")
        raise BadRequest(words % {"known": ", ".join(audiences.PURPOSES)})
    return purpose


def _group(request: HttpRequest, kind: str, pk: int) -> Group:
    group = _list_of(request) if kind == LIST else audiences.find_group(kind, pk)
    if group is None:
        raise Http404
    return group


def _list_of(request: HttpRequest) -> Group:
    """The customer list under its filters, which stand in the address."""
    everybody = Customer.objects.visible_to(request.user).roots()
    found = CustomerFilter(request.GET, queryset=everybody, request=request)
    if not found.is_valid():
        raise BadRequest(_("These filters cannot be used."))
    query = request.GET.urlencode()
    url = reverse("crm:customer-list") + (f"?{query}" if query else "")
    return Group(_("Customers of this list"), found.qs.values_list("pk"), url)
