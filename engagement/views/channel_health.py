"""How one account fares: what came and went, what its platform says, and what was not understood."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import BinaryField
from django.db.models.functions import Length, Substr
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.permissions import requires
from core.jobs import JobIsOpen
from core.models import Workspace
from core.paging import Sort, desc, page_for
from engagement import account_health, disconnecting, raw_events, reconciling
from engagement.models import ChannelAccount, RawEvent
from engagement.troubles import troubles
from engagement.views.channel_connecting import webhook_context
from engagement.views.channel_forms import leading_out
from engagement.views.channels import account_of, link_of
from engagement.views.inbox import me

SHOWN_BODY = 2_000
PARKED_SORTS = {"-received": Sort(desc("received_at"))}


@require_GET
@requires("channel.manage")
def channel_health(request: HttpRequest, pk: int) -> HttpResponse:
    """An account's health, in words first and then in figures."""
    account = account_of(request, pk)
    link = link_of(account)
    days = account_health.days_of(account)
    context = {
        "account": account,
        "link": link,
        "troubles": troubles([account])[account.pk],
        "days": days,
        "charts": _charts(days),
        "lag": account_health.lag_of(account),
        "token": account_health.token_of(account, link),
        "missing_scopes": account_health.missing_scopes(account, link),
        "out": account_health.out_of(account),
        "refused": account_health.refused_of(account),
        "limits": account_health.limits_left(account) if link else [],
        "parked": account_health.parked_of(account).count(),
        "job": account_health.job_of(account),
        "now": timezone.now(),
        "may_log_in": bool(link and link.wants_login(account.settings)),
        **(webhook_context(account, link) if link else {}),
    }
    response = render(request, "engagement/channel_health.html", context)
    return leading_out(response) if context["may_log_in"] else response


def _charts(days: list[account_health.Day]) -> dict[str, Any]:
    """What `static/js/charts.js` draws, oldest day first."""
    ordered = days[::-1]
    return {
        "currency": Workspace.current().currency,
        "days": [one.day.isoformat() for one in ordered],
        "received": {
            "here": [one.here for one in ordered],
            "theirs": [one.compared.theirs if one.compared else None for one in ordered],
            "names": [_("Here"), _("The platform says")],
        },
    }


@require_POST
@requires("channel.manage")
def channel_compare(request: HttpRequest, pk: int) -> HttpResponse:
    """Compare with the platform now, in a job."""
    account = account_of(request, pk)
    given = request.POST.get("days", "")
    try:
        reconciling.compare_now(
            account=account, days=int(given) if given.isdigit() else reconciling.DAYS, by=me(request)
        )
    except JobIsOpen:
        messages.info(request, _("A comparison is under way already."))
    except ValueError as error:
        messages.error(request, str(error))
    return redirect(f"{reverse('engagement:channel-health', args=[pk])}#comparison")


# What could not be understood


@require_GET
@requires("channel.manage")
def channel_parked(request: HttpRequest, pk: int) -> HttpResponse:
    """Bodies that could not be understood, each with its reason and the beginning of what it says."""
    account = account_of(request, pk)
    found = account_health.parked_of(account).defer("body")
    page = page_for(request, found, sorts=PARKED_SORTS, default="-received")
    rows = _with_bodies(list(page))
    context = {"account": account, "link": link_of(account), "page": page, "rows": rows}
    return render(request, "engagement/channel_parked.html", context)


def _with_bodies(rows: list[RawEvent]) -> list[tuple[RawEvent, str, int]]:
    """Each with the beginning of its body as text, and how long all of it is; only the beginning is read."""
    ids = [row.pk for row in rows]
    cut = RawEvent.objects.filter(pk__in=ids).annotate(
        head=Substr("body", 1, SHOWN_BODY, output_field=BinaryField()), length=Length("body")
    )
    known: dict[int, tuple[Any, int]] = {
        pk: (head, n) for pk, head, n in cut.values_list("pk", "head", "length")
    }
    return [
        (row, bytes(known[row.pk][0] or b"").decode("utf-8", "replace"), known[row.pk][1]) for row in rows
    ]


def _parked_one(request: HttpRequest, pk: int, raw_pk: int) -> tuple[ChannelAccount, RawEvent]:
    account = account_of(request, pk)
    found: RawEvent = get_object_or_404(account_health.parked_of(account), pk=raw_pk)
    return account, found


@require_POST
@requires("channel.manage")
def parked_replay(request: HttpRequest, pk: int, raw_pk: int) -> HttpResponse:
    """Try one again."""
    account, raw = _parked_one(request, pk, raw_pk)
    error = raw_events.replay(raw, by=me(request))
    if error:
        messages.error(request, _("It is still not understood: %(why)s") % {"why": error[:300]})
    else:
        messages.success(request, _("It was understood."))
    return redirect("engagement:channel-parked", account.pk)


@require_POST
@requires("channel.manage")
def parked_replay_all(request: HttpRequest, pk: int) -> HttpResponse:
    """Try all of them again, in a job."""
    account = account_of(request, pk)
    try:
        job = raw_events.replay_all(account, by=me(request))
    except JobIsOpen as open_:
        job = open_.job
    return redirect("core:job-detail", job.pk)


@require_POST
@requires("channel.manage")
def parked_discard(request: HttpRequest, pk: int, raw_pk: int) -> HttpResponse:
    """Throw one away."""
    account, raw = _parked_one(request, pk, raw_pk)
    raw_events.discard(raw, by=me(request))
    messages.success(request, _("It is thrown away."))
    return redirect("engagement:channel-parked", account.pk)


# Taking it off


@require_http_methods(["GET", "POST"])
@requires("channel.manage")
def channel_disconnect(request: HttpRequest, pk: int) -> HttpResponse:
    """Disconnect, with or without keeping what was said; removing asks for the channel's name."""
    account = account_of(request, pk)
    if not account.is_active:
        return redirect("engagement:channel-health", pk)
    remove = request.POST.get("data") == "remove"
    error = ""
    if request.method == "POST":
        if not remove or request.POST.get("word", "").strip().lower() == account.name.strip().lower():
            return _disconnect(request, account, remove=remove)
        error = _("Type the channel's name to remove what came through it.")
    context = {
        "account": account,
        "link": link_of(account),
        "holds": disconnecting.holds(account),
        "remove": remove,
        "error": error,
    }
    return render(request, "engagement/channel_disconnect.html", context, status=422 if error else 200)


def _disconnect(request: HttpRequest, account: ChannelAccount, *, remove: bool) -> HttpResponse:
    job = disconnecting.disconnect(account=account, by=me(request), remove=remove)
    messages.success(request, _("%(name)s is disconnected.") % {"name": account.name})
    return redirect("engagement:channel-list") if job is None else redirect("core:job-detail", job.pk)
