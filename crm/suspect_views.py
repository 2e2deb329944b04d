"""Pages about customers who may be one: the queue, and what staff answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from accounts.permissions import requires, staff
from core.fragments import is_fragment
from core.jobs import JobIsOpen
from core.models import Job
from core.paging import Sort, desc, page_for
from crm.linkage import jobs, suspects
from crm.linkage.evidence import Clue, clues, in_words, sentence
from crm.merging import CannotMerge
from crm.models import Customer, MergeRecord, Suspect

SUSPECT_SORTS = {"-probability": Sort(desc("probability"))}
PAGE = 20
MOST_COUNTED = 100


@dataclass(frozen=True)
class Shown:
    """A pair as the queue shows it."""

    suspect: Suspect
    other: Customer | None = None
    """The one of the two whose page this is not."""

    @property
    def words(self) -> str:
        return in_words(self.suspect.probability)

    @property
    def percent(self) -> str:
        """Never 100%: nothing is that sure."""
        likely = self.suspect.probability
        return f"{min(likely, 0.9999):.2%}" if likely > 0.99 else f"{likely:.0%}"

    @property
    def sentence(self) -> str:
        return sentence(self.suspect.evidence)

    @cached_property
    def clues(self) -> list[Clue]:
        return clues(self.suspect.evidence)

    @property
    def is_plain(self) -> bool:
        """Whether nothing conflicts, so that a merge needs no choice."""
        return not suspects.conflicts(self.suspect.low, self.suspect.high)

    @property
    def ids(self) -> str:
        return f"{self.suspect.low_id},{self.suspect.high_id}"


def panel(request: HttpRequest, customer: Customer) -> list[Shown]:
    """Who this customer may also be, for their page."""
    return [
        Shown(one, one.high if one.low_id == customer.pk else one.low)
        for one in suspects.likely_same(customer)
    ]


@require_GET
@requires("customer.read")
def suspect_list(request: HttpRequest) -> HttpResponse:
    """Pairs that may be one customer, the likeliest first."""
    found = Suspect.objects.visible_to(request.user).waiting().with_customers()
    page = page_for(request, found, sorts=SUSPECT_SORTS, default="-probability", limit=PAGE)
    newest = Job.objects.filter(kind=jobs.KIND).order_by("-created_at", "-pk").first()
    context = {
        "page": page,
        "pairs": [Shown(one) for one in page],
        "count": suspects.count_waiting(request.user, MOST_COUNTED),
        "job": newest,
    }
    return render(request, "crm/suspect_list.html", context)


@require_GET
@requires("customer.read")
def suspect_count(request: HttpRequest) -> HttpResponse:
    """How many pairs wait, for the badge."""
    count = suspects.count_waiting(request.user, MOST_COUNTED)
    return render(request, "crm/_suspect_count.html", {"count": count})


@require_POST
@requires("customer.merge")
def suspect_search(request: HttpRequest) -> HttpResponse:
    """Compare everybody with everybody; while a search runs, its progress is shown instead."""
    try:
        jobs.start_search(everybody=True, by=staff(request))
    except JobIsOpen:
        messages.info(request, _("A search is under way already."))
    return redirect("crm:suspect-list")


@require_POST
@requires("customer.merge")
def suspect_reject(request: HttpRequest, pk: int) -> HttpResponse:
    """These are two customers."""
    return _answered(request, pk, suspects.reject, "rejected")


@require_POST
@requires("customer.merge")
def suspect_later(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask again in a month."""
    return _answered(request, pk, suspects.put_off, "later")


@require_POST
@requires("customer.merge")
def suspect_confirm(request: HttpRequest, pk: int) -> HttpResponse:
    """These are one, and nothing conflicts."""
    return _answered(request, pk, suspects.confirm, "confirmed")


@require_POST
@requires("customer.merge")
def suspect_reopen(request: HttpRequest, pk: int) -> HttpResponse:
    """Take an answer back."""
    suspect = get_object_or_404(Suspect, pk=pk)
    try:
        suspects.reopen(suspect=suspect, by=staff(request))
    except suspects.AlreadyAnswered:
        return _refused(request, _("They were merged meanwhile. Undo the merge on the customer's page."))
    if not is_fragment(request):
        return redirect("crm:suspect-list")
    pair = Suspect.objects.with_customers().get(pk=pk)
    return render(request, "crm/_suspect.html", {"pair": Shown(pair), "focus": True})


def _answered(request: HttpRequest, pk: int, answer: Callable[..., Any], said: str) -> HttpResponse:
    suspect = get_object_or_404(Suspect.objects.select_related("low", "high"), pk=pk)
    try:
        found = answer(suspect=suspect, by=staff(request))
    except suspects.AlreadyAnswered:
        return _refused(request, _("Somebody answered this pair already."))
    except suspects.Conflicting:
        return _refused(request, _("The two records differ: choose what to keep with Merge."))
    except CannotMerge as error:
        return _refused(request, str(error))
    record = found if isinstance(found, MergeRecord) else None
    if is_fragment(request):
        context = {"suspect": suspect, "said": said, "record": record, "kept": _kept(suspect, record)}
        return render(request, "crm/_suspect_answered.html", context)
    messages.success(request, _("Noted."))
    return redirect("crm:suspect-list")


def _kept(suspect: Suspect, record: MergeRecord | None) -> Customer:
    return suspect.high if record and record.keep_id == suspect.high_id else suspect.low


def _refused(request: HttpRequest, why: str) -> HttpResponse:
    """Say why nothing was done; a fragment says it where the pair stood."""
    if is_fragment(request):
        return render(request, "crm/_suspect_refused.html", {"why": why})
    messages.error(request, why)
    return redirect("crm:suspect-list")
