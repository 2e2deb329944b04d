"""The guided way to a new channel: what is needed, keys or a login, the self-test, webhooks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.models import Team
from accounts.permissions import requires
from core.demo import DemoIsPresent, is_demo
from core.models import Brand
from engagement import channel_docs, connecting, examining, hooks, logins
from engagement.channels import connector, connectors, paths
from engagement.channels.base import Act, Connector, Offer, SendFailed
from engagement.models import ChannelAccount, LoginGrant
from engagement.views.channel_forms import AccountForm, HandlingForm, asked_of, own_form, own_values, show
from engagement.views.channels import form_page, linked_account
from engagement.views.inbox import me

MOST_AT_ONCE = 50


@dataclass(frozen=True)
class Mark:
    """One thing that is possible on a network, as a small mark on its card."""

    icon: str
    label: str


def marks_of(link: Connector) -> list[Mark]:
    """What comes in, what goes out, and what else can be done there."""
    possible = (
        (link.takes_hooks, "bolt", _("Arrives at once")),
        (link.can_pull, "refresh", _("Fetched by itself")),
        (link.takes_pushes, "upload", _("Pushed in by API or file")),
        (link.can_reply, "send", _("Answered from the inbox")),
        (link.can_start, "message-plus", _("Can write first")),
        (link.takes_files, "paperclip", _("Answers with files")),
        (bool(link.acts & {Act.HIDE, Act.DELETE}), "eye-off", _("Comments hidden or deleted")),
        (Act.LIKE in link.acts, "thumb-up", _("Likes")),
        (Act.BLOCK in link.acts, "ban", _("Customers blocked")),
        (link.has_metrics, "chart-bar", _("Figures of your posts")),
        (link.reconciles, "scale", _("Compared every night")),
    )
    return [Mark(icon, label) for is_so, icon, label in possible if is_so]


def is_offered(link: Connector) -> bool:
    """Whether somebody can connect it by hand."""
    return link.settings_form is not None or link.takes_pushes or link.logs_in


@require_GET
@requires("channel.manage")
def channel_new(request: HttpRequest) -> HttpResponse:
    """A card for each network that can be connected, and a search over them."""
    q = request.GET.get("q", "").strip()[:100]
    cards = [
        {"link": link, "marks": marks_of(link), "missing": logins.missing_variables(link)}
        for link in sorted(connectors(), key=lambda link: link.label.lower())
        if is_offered(link) and q.lower() in f"{link.label} {link.about} {' '.join(link.networks)}".lower()
    ]
    return render(request, "engagement/channel_new.html", {"cards": cards, "q": q, "is_demo": is_demo()})


def _offered(name: str) -> Connector:
    if name not in paths() or not is_offered(connector(name)):
        raise Http404
    return connector(name)


@require_GET
@requires("channel.manage")
def channel_needs(request: HttpRequest, name: str) -> HttpResponse:
    """What somebody needs before they connect it, and why."""
    link = _offered(name)
    context = {
        "link": link,
        "marks": marks_of(link),
        "missing": logins.missing_variables(link),
        "back_to": logins.back_address(link.name) if link.logs_in else "",
        "unreachable": "" if hooks.is_reachable() or not link.takes_hooks else examining.unreachable_text(),
        "documents": channel_docs.documents_of(link),
        "is_demo": is_demo(),
        "step": 1,
    }
    return render(request, "engagement/channel_needs.html", context)


@require_http_methods(["GET", "POST"])
@requires("channel.manage")
def channel_connect(request: HttpRequest, name: str) -> HttpResponse:
    """Keys, or the way to a login."""
    link = _offered(name)
    base = AccountForm(request.POST or None, initial={"team": Team.general()}, name_required=not link.logs_in)
    own = own_form(link, request)
    if request.method == "POST" and base.is_valid() and own.is_valid():
        try:
            if link.wants_login(own.cleaned_data):
                return redirect(_begin(request, link, base, own))
            account = connecting.connect_account(
                connector_name=name, cleaned=own_values(own), by=me(request), **asked_of(base, own, request)
            )
        except (ValidationError, DemoIsPresent) as error:
            show(own, error)
        except SendFailed as failure:
            show(own, ValidationError([text for text in (str(failure), failure.advice) if text]))
        else:
            messages.success(request, _("%(name)s is connected.") % {"name": account.name})
            return redirect("engagement:channel-setup", account.pk)
    return form_page(request, link, base, own, None)


def _begin(request: HttpRequest, link: Connector, base: AccountForm, own: forms.Form) -> str:
    """The address of the login; what was asked waits for its return."""
    cleaned = base.cleaned_data
    return logins.begin(
        connector_name=link.name,
        cleaned=own_values(own),
        asked={
            "team": cleaned["team"].pk,
            "brand": cleaned["brand"].pk if cleaned["brand"] else None,
            "goal_minutes": cleaned["goal_minutes"],
            "only_new": own.cleaned_data.get("only_new", True),
        },
        session=request.session,
        by=me(request),
    )


# Logins


@require_POST
@requires("channel.manage")
def channel_reconnect(request: HttpRequest, pk: int) -> HttpResponse:
    """Sign in again for an account that is there."""
    account, link = linked_account(request, pk)
    if not link.wants_login(account.settings):
        return redirect("engagement:channel-edit", pk)
    try:
        address = logins.begin(
            connector_name=link.name,
            cleaned=account.settings,
            asked={},
            session=request.session,
            by=me(request),
            account=account,
        )
    except (SendFailed, DemoIsPresent) as failure:
        messages.error(request, str(failure))
        return redirect("engagement:channel-health", pk)
    return redirect(address)


@require_GET
@requires("channel.manage")
def channel_back(request: HttpRequest, name: str) -> HttpResponse:
    """Where a platform sends the browser back to."""
    link = _offered(name)
    try:
        done = logins.finish(
            connector_name=name, query=request.GET.dict(), session=request.session, by=me(request)
        )
    except logins.LoginRefused as refusal:
        messages.error(request, str(refusal))
        return redirect("engagement:channel-needs", link.name)
    if done.account_id is None:
        return redirect("engagement:channel-choose", done.grant.pk)
    return _give_new_access(request, done.account_id, done.grant)


def _give_new_access(request: HttpRequest, account_id: int, grant: LoginGrant) -> HttpResponse:
    account, _link = linked_account(request, account_id)
    offers = logins.offers_of(grant)
    grant.delete()
    fitting = [offer for offer in offers if connecting.is_of(offer, account)]
    try:
        connecting.reconnect(account=account, offer=(fitting or offers)[0], by=me(request))
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return redirect("engagement:channel-health", account.pk)
    messages.success(request, _("%(name)s has new credentials.") % {"name": account.name})
    return redirect("engagement:channel-setup", account.pk)


class ChoiceForm(HandlingForm):
    """Which accounts of a login to connect."""

    chosen = forms.MultipleChoiceField(
        label=gettext_lazy("Accounts"), error_messages={"required": gettext_lazy("Choose at least one.")}
    )
    history = forms.BooleanField(
        label=gettext_lazy("Take in what is there already"),
        required=False,
        help_text=gettext_lazy("As history: older conversations arrive resolved, and nobody is notified."),
    )


@require_http_methods(["GET", "POST"])
@requires("channel.manage")
def channel_choose(request: HttpRequest, pk: int) -> HttpResponse:
    """Choose the accounts that a login gave; those connected already are marked."""
    grant = logins.open_grant(pk, by=me(request))
    if grant is None:
        messages.error(request, _("This login is too old to choose from. Begin again."))
        return redirect("engagement:channel-new")
    link = _offered(grant.connector)
    offers = logins.offers_of(grant)
    known = logins.connected(grant, offers)
    form = ChoiceForm(request.POST or None, initial={**_handling(grant), "chosen": []})
    free = [offer for offer in offers if offer.external_id not in known and not offer.why_not]
    form.fields["chosen"].choices = [(offer.external_id, offer.name) for offer in free]  # type: ignore[attr-defined]
    if request.method == "POST" and form.is_valid():
        wanted = [offer for offer in free if offer.external_id in form.cleaned_data["chosen"]]
        done = _connect_chosen(request, link, wanted, form)
        if done and not form.errors:
            grant.delete()
            return redirect(_setup_address(done))
    context = {
        "link": link,
        "form": form,
        "rows": [(offer, known.get(offer.external_id)) for offer in offers],
        "chosen": request.POST.getlist("chosen") or [one.external_id for one in free[:1]],
        "step": 2,
    }
    return render(request, "engagement/channel_choose.html", context, status=422 if form.errors else 200)


def _handling(grant: LoginGrant) -> dict[str, Any]:
    asked = grant.offers["asked"]
    known = {name: asked[name] for name in ("team", "brand", "goal_minutes") if asked.get(name)}
    return {"team": Team.general(), "history": not asked.get("only_new", True), **known}


def _connect_chosen(
    request: HttpRequest, link: Connector, wanted: list[Offer], form: ChoiceForm
) -> list[ChannelAccount]:
    cleaned, done = form.cleaned_data, []
    brand: Brand | None = cleaned["brand"]
    for offer in wanted[:MOST_AT_ONCE]:
        try:
            account = connecting.connect_offer(
                connector_name=link.name,
                offer=offer,
                team=cleaned["team"],
                brand=brand,
                goal_minutes=cleaned["goal_minutes"],
                only_new=not cleaned["history"],
                by=me(request),
            )
        except (ValidationError, DemoIsPresent) as error:
            show(form, error)
        else:
            done.append(account)
    return done


def _setup_address(accounts: list[ChannelAccount]) -> str:
    ids = ",".join(str(account.pk) for account in accounts[1:])
    address = reverse("engagement:channel-setup", args=[accounts[0].pk])
    return f"{address}?also={ids}" if ids else address


# The last two steps


@require_GET
@requires("channel.manage")
def channel_setup(request: HttpRequest, pk: int) -> HttpResponse:
    """Self-test and webhooks of accounts that were just connected; both run while one looks."""
    ids = [pk, *(int(part) for part in request.GET.get("also", "").split(",") if part.isdigit())]
    rows = [linked_account(request, one) for one in ids[:MOST_AT_ONCE]]
    context = {"rows": rows, "account": rows[0][0], "link": rows[0][1], "step": 3}
    return render(request, "engagement/channel_setup.html", context)


@require_POST
@requires("channel.manage")
def channel_examine(request: HttpRequest, pk: int) -> HttpResponse:
    """Try every permission now; the lines of the self-test."""
    account, link = linked_account(request, pk)
    if account.is_active:
        examining.examine(account)
    return render(request, "engagement/_channel_findings.html", {"account": account, "link": link})


@require_POST
@requires("channel.manage")
def channel_webhook(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask for webhooks now; how they stand."""
    account, link = linked_account(request, pk)
    if account.is_active:
        examining.see_to_webhook(account)
    context = {"account": account, "link": link, **webhook_context(account, link)}
    return render(request, "engagement/_channel_webhook.html", context)


def webhook_context(account: ChannelAccount, link: Connector) -> dict[str, Any]:
    """The address and what else a person copies into the platform, where they set the webhook up there."""
    if not link.takes_hooks or not account.is_active:
        return {"hook_address": "", "hook_copied": (), "unreachable": ""}
    by_hand = not link.subscribes
    return {
        "hook_address": hooks.address_of(account) if by_hand else "",
        "hook_copied": link.hook_copied(account) if by_hand else (),
        "unreachable": "" if hooks.is_reachable() else examining.unreachable_text(),
    }
