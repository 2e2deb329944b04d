"""What is asked about a channel account, whichever its connector."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Team
from core import networks
from core.demo import DemoIsPresent
from core.models import Brand
from engagement.channels.base import Connector
from engagement.models import ChannelAccount

DEFAULT_GOAL = 240


class HandlingForm(forms.Form):
    """Who handles what comes in, and how fast."""

    team = forms.ModelChoiceField(label=gettext_lazy("Team"), queryset=Team.objects.order_by("name"))
    brand = forms.ModelChoiceField(
        label=gettext_lazy("Brand"), queryset=Brand.objects.order_by("name"), required=False
    )
    goal_minutes = forms.IntegerField(
        label=gettext_lazy("Answer within"), min_value=1, max_value=60 * 24 * 30, initial=DEFAULT_GOAL
    )


class AccountForm(HandlingForm):
    """The same with the account's name here."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=160)
    field_order = ("name", "team", "brand", "goal_minutes")

    def __init__(self, *args: Any, name_required: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].required = name_required


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


def own_form(link: Connector, request: HttpRequest, account: ChannelAccount | None = None) -> forms.Form:
    """The connector's form; what is stored and secret is only said to be stored."""
    initial: dict[str, Any] = dict(account.settings) if account else {}
    any_network = not account and not link.networks and not link.logs_in
    form_class = link.settings_form or (NetworkForm if any_network else forms.Form)
    data = request.POST if request.method == "POST" else None
    form = form_class(data, initial=initial or None)
    if account:
        for name in link.secret_fields:
            if name in form.fields and account.credentials.get(name):
                form.fields[name].required = False
                form.fields[name].widget.attrs["placeholder"] = _("stored")
    return form


def own_values(own: forms.Form) -> dict[str, Any]:
    """What belongs to the connector; the network is a column of every account."""
    return {name: value for name, value in own.cleaned_data.items() if name != "network"}


def asked_of(base: AccountForm, own: forms.Form, request: HttpRequest) -> dict[str, Any]:
    """What the services of `engagement.connecting` take beside the connector's own values."""
    cleaned = base.cleaned_data
    asked = {name: cleaned[name] for name in ("name", "team", "brand", "goal_minutes")}
    asked["try_first"] = request.POST.get("untried") != "1"
    if isinstance(own, NetworkForm):
        asked["network"] = own.cleaned_data["network"]
    return asked


def leading_out(response: HttpResponse) -> HttpResponse:
    """A page whose form may end at a platform's login: browsers hold redirects of forms against form-action,
    and which server that is depends on what somebody types."""
    response._csp_update = {"form-action": ["https:", *settings.CHANNEL_URLS.values()]}  # type: ignore[attr-defined]
    return response


def show(form: forms.Form, error: ValidationError | DemoIsPresent) -> None:
    """Put a service's refusal at the top of the form."""
    form.add_error(None, error if isinstance(error, ValidationError) else str(error))
