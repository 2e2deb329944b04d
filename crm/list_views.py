"""The customer list, and what is done with the rows that are chosen there."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import BadRequest, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from accounts.models import User
from accounts.permissions import check, requires, rights, staff
from core import networks
from core.fragments import is_fragment
from core.paging import capped_counts, page_for
from crm import bulk, groups
from crm.columns import GROUPED, Column, available, chosen, with_columns
from crm.filters import CUSTOMER_SORTS, OWN, TASKS, CustomerFilter, IdsFormField
from crm.forms import TagForm
from crm.models import Customer, CustomerKind, CustomField, Stage, Tag

GROUP_CAP = 999


@require_GET
@requires("customer.read")
def customer_list(request: HttpRequest) -> HttpResponse:
    """Customers, those heard from last first."""
    everybody = Customer.objects.visible_to(request.user).roots()
    found = CustomerFilter(request.GET, queryset=everybody, request=request)
    rows = found.qs if found.is_valid() else Customer.objects.none()
    columns = available()
    shown = chosen(request, columns)
    page = page_for(request, with_columns(rows.for_list(), shown), sorts=CUSTOMER_SORTS, default="-last_seen")
    context = {
        "filter": found,
        "page": page,
        "badges": _badges(shown, [customer.pk for customer in page]),
        "columns": shown,
        "every_column": columns,
        "sorts": CUSTOMER_SORTS,
        "wanted": _wanted(request, found),
        "stale": groups.stale(request.GET) if found.is_valid() else [],
        "can_choose": not {"customer.edit", "customer.merge", "export.run"}.isdisjoint(rights(request.user)),
        "staff": User.objects.filter(is_active=True).order_by("name"),
    }
    if is_fragment(request):
        return render(request, "crm/_customer_rows.html", context)
    return render(request, "crm/customer_list.html", {**context, **_choices(request, columns)})


@require_GET
@requires("customer.read")
def customer_groups(request: HttpRequest) -> HttpResponse:
    """How many of the list under its filters belong to each persona, each counted to its cap."""
    everybody = Customer.objects.visible_to(request.user).roots()
    given = {name: value for name, value in request.GET.items() if name != "persona"}
    found = CustomerFilter(given, queryset=everybody, request=request)
    kinds = [(kind, kind.choices()) for kind in groups.kinds() if kind.name == "persona"]
    if not found.is_valid() or not kinds or not kinds[0][1]:
        return HttpResponse()
    rows = found.qs.order_by()
    wanted = {str(pk): groups.narrowed(rows, "persona", pk) for pk, _name in kinds[0][1]}
    wanted[groups.NONE] = groups.narrowed(rows, "persona", groups.NONE)
    counts = capped_counts(wanted, cap=GROUP_CAP)
    names = {**{str(pk): name for pk, name in kinds[0][1]}, groups.NONE: _("No persona")}
    context = {
        "counts": [(key, names[key], counts[key]) for key in names if counts[key]],
        "chosen": request.GET.get("persona", ""),
    }
    return render(request, "crm/_customer_groups.html", context)


def _badges(shown: list[Column], customers: list[int]) -> dict[str, Any]:
    """What the columns of groups show, by column and customer; one statement a column."""
    return {column.name: groups.badges(column.name, customers) for column in shown if column.name in GROUPED}


def _wanted(request: HttpRequest, found: CustomerFilter) -> dict[str, str]:
    return {name: str(value) for name, value in request.GET.items() if value and name in found.filters}


def _choices(request: HttpRequest, columns: list[Column]) -> dict[str, Any]:
    """What the filters offer."""
    return {
        "stages": Stage.choices,
        "tasks": TASKS,
        "networks": networks.known(),
        "tags": Tag.objects.order_by("name")[:200],
        "kinds": CustomerKind.choices,
        "groups": [(kind, kind.choices()) for kind in groups.kinds()],
        "own": [_typed(column.own, request) for column in columns if column.own],
        "own_wanted": any(name.startswith(OWN) and value for name, value in request.GET.items()),
    }


def _typed(field: CustomField, request: HttpRequest) -> tuple[CustomField, str, str, str, str]:
    """One of the workspace's own fields, its filter's name, and what was typed there."""
    name = f"{OWN}{field.key}"
    value, low, high = (request.GET.get(f"{name}{end}", "") for end in ("", "_min", "_max"))
    return field, name, value, low, high


@require_POST
@requires("customer.read")
def customer_bulk(request: HttpRequest) -> HttpResponse:
    """Tag, assign, merge or export the customers that are chosen."""
    try:
        ids = IdsFormField(required=False).clean(request.POST.getlist("ids"))
    except ValidationError as error:
        raise BadRequest(" ".join(error.messages)) from error
    act = {"tag": _tag, "owner": _assign, "merge": _merge, "export": _export}.get(request.POST.get("do", ""))
    if act is None:
        raise BadRequest("do must be one of tag, owner, merge, export.")
    if not ids:
        messages.error(request, _("Choose somebody first."))
        return _back(request)
    return act(request, ids)


def _back(request: HttpRequest) -> HttpResponse:
    """To the list as it was filtered; `back` is a query string and nothing else."""
    query = request.POST.get("back", "")[:2000]
    return redirect(f"{reverse('crm:customer-list')}{query if query.startswith('?') else ''}")


def _tag(request: HttpRequest, ids: list[int]) -> HttpResponse:
    check(request.user, "customer.edit")
    form = TagForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("A tag has 1 to 60 characters."))
        return _back(request)
    count = bulk.tag_customers(ids=ids, tag=form.tag(), by=staff(request))
    messages.success(
        request, ngettext("%(n)d customer tagged.", "%(n)d customers tagged.", count) % {"n": count}
    )
    return _back(request)


def _assign(request: HttpRequest, ids: list[int]) -> HttpResponse:
    wanted = request.POST.get("owner", "")
    owner = get_object_or_404(User, pk=wanted, is_active=True) if wanted.isdecimal() else None
    count = bulk.assign_customers(ids=ids, owner=owner, by=staff(request))
    messages.success(
        request,
        ngettext("%(n)d customer changed hands.", "%(n)d customers changed hands.", count) % {"n": count},
    )
    return _back(request)


def _merge(request: HttpRequest, ids: list[int]) -> HttpResponse:
    return redirect(f"{reverse('crm:customer-merge')}?{_query(ids)}")


def _export(request: HttpRequest, ids: list[int]) -> HttpResponse:
    return redirect(f"{reverse('crm:customer-export')}?{_query(ids)}")


def _query(ids: list[int]) -> str:
    return urlencode({"ids": ",".join(str(pk) for pk in ids)}, safe=",")
