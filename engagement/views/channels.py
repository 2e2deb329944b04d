"""Settings of channels: what is connected and how it fares, connecting, pausing, disconnecting."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.models import Team
from accounts.permissions import requires
from core import networks
from core.demo import DemoIsPresent, is_demo
from core.models import Brand
from core.paging import Sort, asc, page_for
from engagement import connecting
from engagement.channels import connector, connectors, paths
from engagement.channels.base import Connector
from engagement.models import ChannelAccount, Delivery
from engagement.models.delivery import OPEN_STATES
from engagement.views.inbox import me

SORTS = {"name": Sort(asc("name"))}
DEFAULT_GOAL = 240


class AccountForm(forms.Form):
    """What every channel account has, whichever its connector."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=160)
    team = forms.ModelChoiceField(label=gettext_lazy("Team"), queryset=Team.objects.order_by("name"))
    brand = forms.ModelChoiceField(
        label=gettext_lazy("Brand"), queryset=Brand.objects.order_by("name"), required=False
    )
    goal_minutes = forms.IntegerField(
        label=gettext_lazy("Answer within"), min_value=1, max_value=60 * 24 * 30, initial=DEFAULT_GOAL
    )


class NetworkForm(forms.Form):
    """For connectors that carry any network: which one, and the account's own id there."""

    network = forms.ChoiceField(label=gettext_lazy("Network"))
    external_id = forms.CharField(
        label=gettext_lazy("Account"),
        max_length=200,
        help_text=gettext_lazy("Its address or id on the network, as your files and calls name it."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["network"].choices = [(one.name, one.label) for one in networks.known()]  # type: ignore[attr-defined]


@require_GET
@requires("channel.manage")
def channel_list(request: HttpRequest) -> HttpResponse:
    """Every account, its health and its counters."""
    q = request.GET.get("q", "").strip()[:100]
    found = ChannelAccount.objects.visible_to(me(request)).select_related("team", "brand")
    if q:
        found = found.filter(name__icontains=q)
    if request.GET.get("closed") != "1":
        found = found.active()
    page = page_for(request, found, sorts=SORTS, default="name")
    waiting = _waiting([account.pk for account in page])
    rows = [(account, _link_of(account), waiting.get(account.pk, 0)) for account in page]
    context = {"page": page, "rows": rows, "q": q, "closed": request.GET.get("closed") == "1"}
    return render(request, "engagement/channel_list.html", context)


def _waiting(ids: list[int]) -> dict[int, int]:
    from django.db.models import Count

    rows = Delivery.objects.filter(account_id__in=ids, state__in=OPEN_STATES).values("account_id")
    return {row["account_id"]: row["n"] for row in rows.annotate(n=Count("pk"))}


def _link_of(account: ChannelAccount) -> Connector | None:
    """The account's connector; None for one that is no longer installed."""
    return connector(account.connector) if account.connector in paths() else None


@require_GET
@requires("channel.manage")
def channel_new(request: HttpRequest) -> HttpResponse:
    """Choose what to connect."""
    context = {"connectors": [one for one in connectors() if _is_offered(one)], "is_demo": is_demo()}
    return render(request, "engagement/channel_new.html", context)


def _is_offered(link: Connector) -> bool:
    """Whether somebody can connect it by hand."""
    return link.settings_form is not None or link.takes_pushes


@require_http_methods(["GET", "POST"])
@requires("channel.manage")
def channel_connect(request: HttpRequest, name: str) -> HttpResponse:
    """Connect a new account."""
    if name not in paths() or not _is_offered(connector(name)):
        raise Http404
    link = connector(name)
    base = AccountForm(request.POST or None, initial={"team": Team.general()})
    own = _own_form(link, request)
    if request.method == "POST" and base.is_valid() and own.is_valid():
        try:
            account = connecting.connect_account(
                connector_name=name, cleaned=_own_values(own), by=me(request), **_asked(base, own, request)
            )
        except (ValidationError, DemoIsPresent) as error:
            _show(own, error)
        else:
            messages.success(request, _("%(name)s is connected.") % {"name": account.name})
            return redirect("engagement:channel-edit", account.pk)
    return _form_page(request, link, base, own, None)


@require_http_methods(["GET", "POST"])
@requires("channel.manage")
def channel_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """An account's settings, health and counters."""
    account = _account(request, pk)
    link = connector(account.connector)
    initial = {
        "name": account.name,
        "team": account.team_id,
        "brand": account.brand_id,
        "goal_minutes": account.reply_goal_minutes,
    }
    base = AccountForm(request.POST or None, initial=initial)
    own = _own_form(link, request, account)
    if request.method == "POST" and base.is_valid() and own.is_valid():
        asked = _asked(base, own, request)
        asked.pop("network", None)
        try:
            connecting.change_account(account=account, cleaned=own.cleaned_data, by=me(request), **asked)
        except ValidationError as error:
            _show(own, error)
        else:
            messages.success(request, _("%(name)s is kept.") % {"name": account.name})
            return redirect("engagement:channel-edit", account.pk)
    return _form_page(request, link, base, own, account)


def _account(request: HttpRequest, pk: int) -> ChannelAccount:
    rows = ChannelAccount.objects.visible_to(me(request)).select_related("team", "brand")
    found: ChannelAccount = get_object_or_404(rows, pk=pk)
    return found


def _own_form(link: Connector, request: HttpRequest, account: ChannelAccount | None = None) -> forms.Form:
    initial: dict[str, Any] = dict(account.settings) if account else {}
    form_class = link.settings_form or (forms.Form if account or link.networks else NetworkForm)
    data = request.POST if request.method == "POST" else None
    form = form_class(data, initial=initial or None)
    if account:
        for name in link.secret_fields:
            if name in form.fields and account.credentials.get(name):
                form.fields[name].required = False
                form.fields[name].widget.attrs["placeholder"] = _("stored")
    return form


def _own_values(own: forms.Form) -> dict[str, Any]:
    """What belongs to the connector; the network is a column of every account."""
    return {name: value for name, value in own.cleaned_data.items() if name != "network"}


def _asked(base: AccountForm, own: forms.Form, request: HttpRequest) -> dict[str, Any]:
    cleaned = base.cleaned_data
    asked = {name: cleaned[name] for name in ("name", "team", "brand", "goal_minutes")}
    asked["try_first"] = request.POST.get("untried") != "1"
    if isinstance(own, NetworkForm):
        asked["network"] = own.cleaned_data["network"]
    return asked


def _show(form: forms.Form, error: ValidationError | DemoIsPresent) -> None:
    form.add_error(None, error if isinstance(error, ValidationError) else str(error))


def _form_page(
    request: HttpRequest, link: Connector, base: forms.Form, own: forms.Form, account: ChannelAccount | None
) -> HttpResponse:
    context = {
        "link": link,
        "base": base,
        "own": own,
        "account": account,
        "is_demo": is_demo(),
        "waiting": _waiting([account.pk]).get(account.pk, 0) if account else 0,
    }
    return render(
        request, "engagement/channel_edit.html", context, status=422 if own.errors or base.errors else 200
    )


@require_POST
@requires("channel.manage")
def channel_check(request: HttpRequest, pk: int) -> HttpResponse:
    """Try the stored credentials now."""
    account = _account(request, pk)
    try:
        connecting.try_account(account)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    else:
        messages.success(request, _("%(name)s answers.") % {"name": account.name})
    return redirect("engagement:channel-edit", pk)


@require_POST
@requires("channel.manage")
def channel_pause(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop for a while."""
    account = connecting.pause_account(account=_account(request, pk), by=me(request))
    messages.success(request, _("%(name)s is paused.") % {"name": account.name})
    return redirect("engagement:channel-edit", pk)


@require_POST
@requires("channel.manage")
def channel_resume(request: HttpRequest, pk: int) -> HttpResponse:
    """Go on."""
    account = connecting.resume_account(account=_account(request, pk), by=me(request))
    messages.success(request, _("%(name)s works again.") % {"name": account.name})
    return redirect("engagement:channel-edit", pk)


@require_POST
@requires("channel.manage")
def channel_disconnect(request: HttpRequest, pk: int) -> HttpResponse:
    """Take it off; what was said stays."""
    account = connecting.disconnect_account(account=_account(request, pk), by=me(request))
    messages.success(request, _("%(name)s is disconnected.") % {"name": account.name})
    return redirect("engagement:channel-list")
