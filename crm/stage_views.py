"""What staff do with the stage of a customer's journey."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.permissions import requires, staff
from crm.journey import release_stage, set_stage
from crm.models import Customer


@require_POST
@requires("customer.edit")
def stage_set(request: HttpRequest, pk: int) -> HttpResponse:
    """Put a customer at a stage by hand; without one, let it follow what happens again."""
    customer = get_object_or_404(Customer.objects.visible_to(request.user).roots(), pk=pk)
    stage = request.POST.get("stage", "")
    try:
        if stage:
            customer = set_stage(customer=customer, stage=stage, by=staff(request))
            said = _("Set to %(stage)s. It stays there until you let it follow what happens again.")
        else:
            customer = release_stage(customer=customer, by=staff(request))
            said = _("Back at %(stage)s, by what happened.")
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    else:
        messages.success(request, said % {"stage": customer.get_stage_display()})
    return redirect("crm:customer", pk)
