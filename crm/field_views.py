"""Settings: the workspace's own fields of customers."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.permissions import requires, staff
from crm import custom_fields
from crm.forms import FieldChangeForm, FieldForm
from crm.models import CustomField


@require_GET
@requires("field.manage")
def field_list(request: HttpRequest) -> HttpResponse:
    """All fields in their order, archived ones last."""
    found = custom_fields.fields(archived=True)
    context = {
        "used": [field for field in found if not field.is_archived],
        "archived": [field for field in found if field.is_archived],
    }
    return render(request, "crm/field_list.html", context)


@require_http_methods(["GET", "POST"])
@requires("field.manage")
def field_new(request: HttpRequest) -> HttpResponse:
    """Add a field."""
    form = FieldForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            custom_fields.define_field(**form.cleaned_data, by=staff(request))
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, _("Added. It stands on every customer's page from now on."))
            return redirect("crm:field-list")
    return render(request, "crm/field_edit.html", {"form": form}, status=422 if form.errors else 200)


@require_http_methods(["GET", "POST"])
@requires("field.manage")
def field_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change how a field is called and what may be chosen; key and type stay."""
    field = get_object_or_404(CustomField, pk=pk)
    now = {"label": field.label, "help": field.help, "choices": "\n".join(field.choices)}
    form = FieldChangeForm(request.POST or None, initial=now)
    if field.type != "choice":
        del form.fields["choices"]
    if request.method == "POST" and form.is_valid():
        try:
            custom_fields.change_field(field=field, values=form.cleaned_data, by=staff(request))
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, _("Saved."))
            return redirect("crm:field-list")
    context = {"form": form, "field_": field}
    return render(request, "crm/field_edit.html", context, status=422 if form.errors else 200)


@require_POST
@requires("field.manage")
def field_move(request: HttpRequest, pk: int) -> HttpResponse:
    """One place up or down."""
    field = get_object_or_404(CustomField, pk=pk)
    custom_fields.move_field(field=field, up=request.POST.get("to") == "up", by=staff(request))
    return redirect("crm:field-list")


@require_POST
@requires("field.manage")
def field_archive(request: HttpRequest, pk: int) -> HttpResponse:
    """Hide a field, or bring it back; its values are kept."""
    field = get_object_or_404(CustomField, pk=pk)
    hide = request.POST.get("archived") == "1"
    custom_fields.change_field(field=field, values={"is_archived": hide}, by=staff(request))
    messages.success(request, _("Archived. Its values are kept.") if hide else _("In use again."))
    return redirect("crm:field-list")
