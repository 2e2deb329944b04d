"""Settings of channels: what is connected and how it fares, changing and pausing."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.permissions import requires
from core.demo import is_demo
from core.paging import Sort, asc, page_for
from engagement import connecting, logins
from engagement.channels import connector, paths
from engagement.channels.base import Connector
from engagement.models import ChannelAccount, Delivery
from engagement.models.delivery import OPEN_STATES
from engagement.troubles import troubles
from engagement.views.channel_forms import AccountForm, asked_of, leading_out, own_form, show
from engagement.views.inbox import me

SORTS = {"name": Sort(asc("name"))}


@require_GET
@requires("channel.manage")
def channel_list(request: HttpRequest) -> HttpResponse:
    """Every account, its health, what is wrong, and its counters."""
    q = request.GET.get("q", "").strip()[:100]
    found = ChannelAccount.objects.visible_to(me(request)).select_related("team", "brand")
    if q:
        found = found.filter(name__icontains=q)
    if request.GET.get("closed") != "1":
        found = found.active()
    page = page_for(request, found, sorts=SORTS, default="name")
    accounts = list(page)
    waiting, wrong = waiting_by_account([account.pk for account in accounts]), troubles(accounts)
    rows = [
        (account, link_of(account), waiting.get(account.pk, 0), wrong[account.pk]) for account in accounts
    ]
    context = {"page": page, "rows": rows, "q": q, "closed": request.GET.get("closed") == "1"}
    return render(request, "engagement/channel_list.html", context)


def waiting_by_account(ids: list[int]) -> dict[int, int]:
    """How many messages wait to be sent, by account."""
    rows = Delivery.objects.filter(account_id__in=ids, state__in=OPEN_STATES).values("account_id")
    return {row["account_id"]: row["n"] for row in rows.annotate(n=Count("pk"))}


def link_of(account: ChannelAccount) -> Connector | None:
    """The account's connector; None for one that is no longer installed."""
    return connector(account.connector) if account.connector in paths() else None


def account_of(request: HttpRequest, pk: int) -> ChannelAccount:
    """An account that the reader sees; 404 otherwise."""
    rows = ChannelAccount.objects.visible_to(me(request)).select_related("team", "brand")
    found: ChannelAccount = get_object_or_404(rows, pk=pk)
    return found


def linked_account(request: HttpRequest, pk: int) -> tuple[ChannelAccount, Connector]:
    """The same with its connector; 404 where that is not installed."""
    account = account_of(request, pk)
    link = link_of(account)
    if link is None:
        raise Http404
    return account, link


@require_http_methods(["GET", "POST"])
@requires("channel.manage")
def channel_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """An account's name, team and access."""
    account, link = linked_account(request, pk)
    initial = {
        "name": account.name,
        "team": account.team_id,
        "brand": account.brand_id,
        "goal_minutes": account.reply_goal_minutes,
    }
    base = AccountForm(request.POST or None, initial=initial)
    own = own_form(link, request, account)
    if request.method == "POST" and base.is_valid() and own.is_valid():
        asked = asked_of(base, own, request)
        asked.pop("network", None)
        try:
            connecting.change_account(account=account, cleaned=own.cleaned_data, by=me(request), **asked)
        except ValidationError as error:
            show(own, error)
        else:
            messages.success(request, _("%(name)s is kept.") % {"name": account.name})
            return redirect("engagement:channel-health", account.pk)
    return form_page(request, link, base, own, account)


def form_page(
    request: HttpRequest, link: Connector, base: forms.Form, own: forms.Form, account: ChannelAccount | None
) -> HttpResponse:
    """The form of a new or a connected account; 422 with what is wrong."""
    context = {
        "link": link,
        "base": base,
        "own": own,
        "account": account,
        "is_demo": is_demo(),
        "may_log_in": link.logs_in and not logins.missing_variables(link),
        "missing": logins.missing_variables(link),
        "back_to": logins.back_address(link.name) if link.logs_in else "",
        "step": 2,
    }
    status = 422 if own.errors or base.errors else 200
    response = render(request, "engagement/channel_edit.html", context, status=status)
    return leading_out(response) if link.logs_in else response


@require_POST
@requires("channel.manage")
def channel_check(request: HttpRequest, pk: int) -> HttpResponse:
    """Try the stored credentials now."""
    account = account_of(request, pk)
    try:
        connecting.try_account(account)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    else:
        messages.success(request, _("%(name)s answers.") % {"name": account.name})
    return redirect("engagement:channel-health", pk)


@require_POST
@requires("channel.manage")
def channel_pause(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop for a while."""
    account = connecting.pause_account(account=account_of(request, pk), by=me(request))
    messages.success(request, _("%(name)s is paused.") % {"name": account.name})
    return redirect("engagement:channel-health", pk)


@require_POST
@requires("channel.manage")
def channel_resume(request: HttpRequest, pk: int) -> HttpResponse:
    """Go on."""
    account = connecting.resume_account(account=account_of(request, pk), by=me(request))
    messages.success(request, _("%(name)s works again.") % {"name": account.name})
    return redirect("engagement:channel-health", pk)
