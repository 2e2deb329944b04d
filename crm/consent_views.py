"""What staff do about consents: write one down, ask for one by mail, give out or end links."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.permissions import requires, staff
from core.demo import is_demo
from crm import facts
from crm.consent_forms import AskForm, ConsentForm, LinkForm
from crm.consent_requests import ask_for_consent
from crm.consents import ConsentIn, record_by_staff
from crm.models import Customer
from crm.preferences.links import end_page_links, make_page_link


def _customer(pk: int) -> Customer:
    found: Customer = get_object_or_404(Customer.objects.roots(), pk=pk)
    return found


@require_POST
@requires("customer.edit")
def consent_add(request: HttpRequest, pk: int) -> HttpResponse:
    """Write down what a customer said."""
    customer = _customer(pk)
    form = ConsentForm(request.POST, customer=customer)
    if not form.is_valid():
        messages.error(request, _("Say for what, yes or no, and what was said and where."))
        return redirect("crm:customer", pk)
    given = form.cleaned_data
    row = ConsentIn(
        given["identity"].pk,
        given["purpose"],
        given["given"],
        at=given["at"],
        proof=given["proof"],
        whole_person=given["whole_person"],
    )
    try:
        written = record_by_staff(customer=customer, rows=[row], by=staff(request))
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    else:
        said = _("Written down.") if written else _("That stood there already.")
        messages.success(request, said)
    return redirect("crm:customer", pk)


@require_POST
@requires("customer.edit")
def consent_ask(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask by mail; nothing is allowed before the customer presses the button in it."""
    customer = _customer(pk)
    form = AskForm(request.POST, customer=customer)
    if is_demo():
        messages.error(request, _("This is the demo: no mail leaves it."))
    elif not form.is_valid():
        messages.error(request, _("Choose an e-mail address and what to ask for."))
    else:
        try:
            ask_for_consent(**form.cleaned_data, source=facts.STAFF, by=staff(request))
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
        else:
            messages.success(request, _("The question is on its way."))
    return redirect("crm:customer", pk)


@require_POST
@requires("customer.edit")
def page_link(request: HttpRequest, pk: int) -> HttpResponse:
    """A new link to the customer's own page, to be copied."""
    customer = _customer(pk)
    form = LinkForm(request.POST, customer=customer)
    if not form.is_valid():
        messages.error(request, _("Choose for which handle the link is."))
        return redirect("crm:customer", pk)
    link = make_page_link(identity=form.cleaned_data["identity"], by=staff(request))
    context = {"link": link, "customer": customer, "identity": form.cleaned_data["identity"]}
    answer = render(request, "crm/_page_link.html", context)
    answer["Cache-Control"] = "no-store"
    return answer


@require_POST
@requires("customer.edit")
def page_links_end(request: HttpRequest, pk: int) -> HttpResponse:
    """End every link to the customer's own page."""
    end_page_links(customer=_customer(pk), by=staff(request))
    messages.success(request, _("Every link to their page that was given out has ended."))
    return redirect("crm:customer", pk)
