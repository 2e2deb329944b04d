"""Changing a customer's record: profile, tags, notes, tasks, and who belongs where."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.permissions import requires, staff
from crm.affiliations import affiliate, part
from crm.forms import AffiliationForm, CustomerForm, NoteForm, TagForm
from crm.looks import note_look
from crm.models import Customer, CustomerKind, CustomerNote, Tag
from crm.notes import delete_note, edit_note, write_note
from crm.services import create_customer, update_customer
from crm.tagging import add_tag, remove_tag

PICKED = 8
"""So many customers a picker offers."""


def page_at(pk: int, place: str) -> HttpResponse:
    """Back to a part of the customer page."""
    return redirect(f"{reverse('crm:customer', args=[pk])}#{place}")


def _root(pk: int) -> Customer:
    return get_object_or_404(Customer.objects.roots(), pk=pk)


@require_http_methods(["GET", "POST"])
@requires("customer.edit")
def customer_new(request: HttpRequest) -> HttpResponse:
    """Make a customer by hand."""
    form = CustomerForm(request.POST or None, initial={"kind": request.GET.get("kind", "person")})
    if request.method == "POST" and form.is_valid():
        try:
            customer = create_customer(values=form.values(), by=staff(request))
        except ValidationError as error:
            form.add_error(None, error)
        else:
            return redirect("crm:customer", customer.pk)
    return render(request, "crm/customer_edit.html", {"form": form}, status=422 if form.errors else 200)


@require_http_methods(["GET", "POST"])
@requires("customer.edit")
def customer_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change the profile."""
    customer = get_object_or_404(Customer.objects.roots().select_related("referred_by"), pk=pk)
    stored = Customer.objects.get(pk=pk)
    form = CustomerForm(request.POST or None, instance=customer)
    if request.method == "GET":
        note_look(stored, by=staff(request))
    if request.method == "POST" and form.is_valid():
        try:
            update_customer(customer=stored, values=form.values(), by=staff(request))
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, _("Saved."))
            return redirect("crm:customer", pk)
    context = {"form": form, "customer": stored, "referrer": customer.referred_by}
    return render(request, "crm/customer_edit.html", context, status=422 if form.errors else 200)


@require_GET
@requires("customer.read")
def customer_pick(request: HttpRequest) -> HttpResponse:
    """Customers to choose one of, by any part of a name or handle, as radio buttons called `name`."""
    text, kind = request.GET.get("find", "")[:200].replace("\x00", "").strip(), request.GET.get("kind", "")
    found = Customer.objects.visible_to(request.user).roots()
    if kind in CustomerKind.values:
        found = found.filter(kind=kind)
    if request.GET.get("but", "").isdecimal():
        found = found.exclude(pk=int(request.GET["but"][:18]))
    rows = found.matching(text).prefetch_related("identities").order_by("name", "pk")[:PICKED] if text else []
    name = "referred_by" if request.GET.get("as") == "referred_by" else "other"
    return render(request, "crm/_pick.html", {"found": rows, "text": text, "name": name})


@require_POST
@requires("customer.edit")
def tag_add(request: HttpRequest, pk: int) -> HttpResponse:
    """Put a tag on a customer."""
    customer = _root(pk)
    form = TagForm(request.POST)
    if form.is_valid():
        add_tag(customer=customer, tag=form.tag(), by=staff(request))
    else:
        messages.error(request, _("A tag has 1 to 60 characters."))
    return page_at(pk, "tags")


@require_POST
@requires("customer.edit")
def tag_remove(request: HttpRequest, pk: int, tag_pk: int) -> HttpResponse:
    """Take a tag off a customer."""
    remove_tag(customer=_root(pk), tag=get_object_or_404(Tag, pk=tag_pk), by=staff(request))
    return page_at(pk, "tags")


# Notes


@require_POST
@requires("note.write")
def note_add(request: HttpRequest, pk: int) -> HttpResponse:
    """Write a note."""
    customer, form = _root(pk), NoteForm(request.POST)
    if form.is_valid():
        write_note(customer=customer, text=form.cleaned_data["text"], by=staff(request))
    else:
        messages.error(request, _("A note has 1 to 20,000 characters."))
    return page_at(pk, "notes")


@require_http_methods(["GET", "POST"])
@requires("note.write")
def note_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change one's own note."""
    note = get_object_or_404(CustomerNote.objects.select_related("customer"), pk=pk, author=staff(request))
    form = NoteForm(request.POST or None, initial={"text": note.text})
    if request.method == "POST" and form.is_valid():
        edit_note(note=note, text=form.cleaned_data["text"], by=staff(request))
        return page_at(note.customer_id, "notes")
    context = {"form": form, "note": note, "customer": note.customer}
    return render(request, "crm/note_edit.html", context, status=422 if form.errors else 200)


@require_POST
@requires("note.write")
def note_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Take back one's own note."""
    note = get_object_or_404(CustomerNote, pk=pk, author=staff(request))
    delete_note(note=note, by=staff(request))
    messages.success(request, _("The note is gone."))
    return page_at(note.customer_id, "notes")


# People and organizations


@require_POST
@requires("customer.edit")
def affiliation_add(request: HttpRequest, pk: int) -> HttpResponse:
    """Bring a person and an organization together, from either side."""
    customer, form = _root(pk), AffiliationForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Search, and choose somebody from the list."))
        return page_at(pk, "people")
    other = form.cleaned_data["other"]
    sides = {"person": other, "organization": customer}
    if customer.kind == CustomerKind.PERSON:
        sides = {"person": customer, "organization": other}
    try:
        affiliate(**sides, role=form.cleaned_data["role"], by=staff(request))
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    return page_at(pk, "people")


@require_POST
@requires("customer.edit")
def affiliation_end(request: HttpRequest, pk: int, other_pk: int) -> HttpResponse:
    """Let them part, from either side."""
    customer, other = _root(pk), get_object_or_404(Customer, pk=other_pk)
    is_person = customer.kind == CustomerKind.PERSON
    person, organization = (customer, other) if is_person else (other, customer)
    part(person=person, organization=organization, by=staff(request))
    return page_at(pk, "people")
