"""Pages on which customers are merged and handles attached and detached."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.permissions import requires, staff
from core.fragments import is_fragment
from crm.attaching import Outcome, attach_existing, detach_identity, plan_detach, what_moves
from crm.looks import note_look
from crm.merge_preview import counted, preview
from crm.merging import AT_ONCE, CannotMerge, merge_several, undo_merge
from crm.models import Customer, Identity, MergeRecord
from crm.trees import roots_of

FOUND = 8
PICK = "pick."


# Merging


@require_http_methods(["GET", "POST"])
@requires("customer.merge")
def customer_merge(request: HttpRequest) -> HttpResponse:
    """The customers side by side, each differing field to be picked; then one customer of them."""
    customers = _customers(request)
    if request.method == "POST" and len(customers) > 1:
        try:
            records = _merge(request, customers)
        except CannotMerge as error:
            messages.error(request, str(error))
        else:
            fresh = ",".join(str(record.pk) for record in records)
            return redirect(f"{records[0].keep.get_absolute_url()}?merged={fresh}")
    for one in customers:
        note_look(one, by=staff(request))
    context = {
        "ids": [one.pk for one in customers],
        "customers": customers,
        "preview": preview(customers, keep=_number(request.POST.get("keep"))) if len(customers) > 1 else None,
        "can_add": len(customers) <= AT_ONCE,
        "most": AT_ONCE + 1 if len(_roots(request)) > AT_ONCE + 1 else None,
        "mixed": len({one.kind for one in customers}) > 1,
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "crm/merge.html", context, status=status)


def _merge(request: HttpRequest, customers: list[Customer]) -> list[MergeRecord]:
    keep = next((one for one in customers if one.pk == _number(request.POST.get("keep"))), None)
    if keep is None:
        raise CannotMerge(_("Say which record is kept."))
    picked = {name.removeprefix(PICK): value for name, value in request.POST.items() if name.startswith(PICK)}
    chosen = {name: _number(str(value)) for name, value in picked.items()}
    if None in chosen.values():
        raise BadRequest("A value is picked by the number of a customer.")
    drops = [one for one in customers if one is not keep]
    fields = {name: pk for name, pk in chosen.items() if pk is not None}
    return merge_several(keep=keep, drops=drops, fields=fields, by=staff(request))


def _customers(request: HttpRequest) -> list[Customer]:
    """The customers the address names, in its order; a merged one stands for the record that owns it."""
    wanted = _roots(request)[: AT_ONCE + 1]
    found = Customer.objects.visible_to(request.user).select_related("owner").in_bulk(wanted)
    return [found[pk] for pk in wanted if pk in found]


def _roots(request: HttpRequest) -> list[int]:
    given = request.POST if request.method == "POST" else request.GET
    texts = [part for text in given.getlist("ids") for part in text.split(",") if part]
    numbers = [_number(text) for text in texts]
    if None in numbers or len(numbers) > 100 * AT_ONCE:
        raise BadRequest("ids must be the numbers of customers.")
    roots = roots_of(pk for pk in numbers if pk is not None)
    return list(dict.fromkeys(roots[pk] for pk in numbers if pk in roots))


def _number(text: str | None) -> int | None:
    """A number as an address or form gives it."""
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 19 else None


@require_GET
@requires("customer.merge")
def merge_find(request: HttpRequest) -> HttpResponse:
    """Customers to add to a merge, by any part of a name or handle."""
    text = request.GET.get("find", "")[:200].replace("\x00", "").strip()
    customers = _customers(request)
    found: Iterable[Customer] = []
    if text:
        others = (
            Customer.objects.visible_to(request.user).roots().exclude(pk__in=[one.pk for one in customers])
        )
        if customers:
            others = others.filter(kind=customers[0].kind)
        found = others.matching(text).prefetch_related("identities").order_by("name", "pk")[:FOUND]
    ids = ",".join(str(one.pk) for one in customers)
    return render(request, "crm/_merge_found.html", {"found": found, "text": text, "ids": ids})


@require_POST
@requires("customer.merge")
def merge_undo(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a merge back."""
    record = get_object_or_404(MergeRecord, pk=pk)
    _undo(request, [record])
    return redirect("crm:customer", record.drop_id)


@require_POST
@requires("customer.merge")
def merges_undo(request: HttpRequest) -> HttpResponse:
    """Take back all that was merged in one step."""
    wanted = [_number(text) or 0 for text in request.POST.getlist("record")[:AT_ONCE]]
    records = list(MergeRecord.objects.filter(pk__in=wanted).order_by("-pk"))
    if not records:
        return redirect("crm:customer-list")
    _undo(request, records)
    return redirect("crm:customer", records[0].keep_id)


def _undo(request: HttpRequest, records: list[MergeRecord]) -> None:
    try:
        with transaction.atomic():
            undone = [undo_merge(record=record, by=staff(request)) for record in records]
    except CannotMerge as error:
        messages.error(request, str(error))
        return
    words = ngettext(
        "The merge is undone. %(who)s is a customer of their own again.",
        "The merges are undone: %(who)s.",
        len(undone),
    )
    messages.success(request, words % {"who": ", ".join(str(record.drop) for record in undone)})


# Handles


@require_GET
@requires("customer.read")
def identity_page(request: HttpRequest, pk: int) -> HttpResponse:
    """One handle: whose it is, what came by it, and where it can go; as a fragment in the inbox."""
    identity = get_object_or_404(Identity.objects.select_related("customer", "home_customer"), pk=pk)
    target = Customer.objects.filter(pk=_number(request.GET.get("to")) or 0).first()
    others = identity.customer.identities.exclude(pk=identity.pk).count()
    context = {
        "identity": identity,
        "to": target if target and target.pk != identity.customer_id else None,
        "plan": plan_detach(identity),
        "moves": counted(what_moves(identity)),
        "others": others,
        "next": request.htmx.current_url_abs_path if is_fragment(request) else _next(request),  # type: ignore[attr-defined]
    }
    return render(request, "crm/_identity.html" if is_fragment(request) else "crm/identity.html", context)


@require_POST
@requires("customer.merge")
def identity_attach(request: HttpRequest, pk: int) -> HttpResponse:
    """Give a handle that somebody has to another customer."""
    identity = get_object_or_404(Identity, pk=pk)
    target = (
        Customer.objects.visible_to(request.user).filter(pk=_number(request.POST.get("other")) or 0).first()
    )
    if target is None:
        messages.error(request, _("Search for the customer who has this handle, and choose one."))
        return redirect(_next(request) or reverse("crm:identity", args=[pk]))
    try:
        outcome = attach_existing(identity=identity, to=target, by=staff(request))
    except CannotMerge as error:
        messages.error(request, str(error))
        return redirect(_next(request) or reverse("crm:identity", args=[pk]))
    words = _("%(handle)s belongs to %(who)s.")
    if outcome.merge:
        words = _("%(handle)s belongs to %(who)s. It was all we knew of its customer, so the two are one.")
    messages.success(request, words % {"handle": identity, "who": outcome.customer})
    return redirect(_next(request) or _shown(outcome))


@require_POST
@requires("customer.merge")
def identity_detach(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a handle off its customer."""
    identity = get_object_or_404(Identity.objects.select_related("customer"), pk=pk)
    before = identity.customer
    outcome = detach_identity(identity=identity, by=staff(request))
    words = _("%(handle)s is taken off %(before)s and belongs to %(who)s.")
    messages.success(request, words % {"handle": identity, "before": before, "who": outcome.customer})
    return redirect(_next(request) or before.get_absolute_url())


def _shown(outcome: Outcome) -> str:
    merged = f"?merged={outcome.merge.pk}" if outcome.merge else ""
    return f"{outcome.customer.get_absolute_url()}{merged}"


def _next(request: HttpRequest) -> str:
    """Where the reader came from, on this site; "" where they did not say."""
    url = request.POST.get("next") or request.GET.get("next") or ""
    return url if url_has_allowed_host_and_scheme(url, allowed_hosts=None) else ""
