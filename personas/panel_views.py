"""What personas show on pages of customers: reasons for a segment, the mix of an organization's people."""

from __future__ import annotations

from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from accounts.permissions import requires
from crm.models import Affiliation
from personas.membership_reasons import reasons_for
from personas.models import Persona, Segment


@require_GET
@requires("segment.read")
def segment_why(request: HttpRequest, pk: int, customer_pk: int) -> HttpResponse:
    """Why this customer is in a segment: its conditions, each with what was found."""
    segment = get_object_or_404(Segment, pk=pk)
    reasons = reasons_for(segment, customer_pk)
    context = {
        "explained": reasons.rule,
        "pick": reasons.pick,
        "segment": segment,
        "customer_pk": customer_pk,
    }
    return render(request, "personas/_segment_why.html", context)


@require_GET
@requires("persona.read")
def organization_mix(request: HttpRequest, pk: int) -> HttpResponse:
    """How an organization's people are spread over personas."""
    people = Affiliation.objects.filter(organization_id=pk).values("person_id")
    found = Persona.objects.filter(memberships__customer_id__in=people)
    rows = list(found.annotate(people=Count("memberships")).order_by("-people", "rank", "pk"))
    total = Affiliation.objects.filter(organization_id=pk).values("person_id").distinct().count()
    known = sum(row.people for row in rows)
    context = {"rows": rows, "total": total, "known": known, "unknown": total - known}
    return render(request, "personas/_organization_mix.html", context)
