"""Customers to take along."""

from __future__ import annotations

from django.core.exceptions import BadRequest
from django.http import HttpRequest, StreamingHttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from accounts.permissions import requires, staff
from accounts.services import record_audit
from core.tables import format_of, table_response
from crm.exports import customer_header, customer_rows
from crm.filters import CustomerFilter
from crm.models import Customer


@require_GET
@requires("export.run")
def customer_export(request: HttpRequest) -> StreamingHttpResponse:
    """The list under its filters and search, as a file."""
    everybody = Customer.objects.visible_to(request.user).roots()
    found = CustomerFilter(request.GET, queryset=everybody, request=request)
    if not found.is_valid():
        raise BadRequest(_("These filters cannot be used."))
    header, count = customer_header(), found.qs.count()
    answer = table_response(request, "customers", header, customer_rows(found.qs, header))
    # Which names were searched for stays out of the trail, which is never erased.
    filters = {name: value for name, value in request.GET.items() if name in found.filters and name != "q"}
    detail = {
        "count": count,
        "format": format_of(request),
        "filters": filters,
        "searched": bool(request.GET.get("q")),
    }
    record_audit(by=staff(request), verb="customers.exported", detail=detail)
    return answer
