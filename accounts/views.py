"""Pages about staff, teams, keys, the audit trail, the workspace and one's own account."""

from __future__ import annotations

from typing import Any, cast

from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.core.exceptions import ValidationError
from django.db.models import Count, Q
from django.forms import Form
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import audit, mail, notices, services
from accounts.context import rail_for
from accounts.forms import (
    CURRENCIES,
    AcceptInvitationForm,
    APIKeyForm,
    AuditFilterForm,
    FirstAdminForm,
    InviteForm,
    ProfileForm,
    StaffForm,
    TeamForm,
    WorkspaceForm,
)
from accounts.models import APIKey, Invitation, Role, Team, Theme, User
from accounts.permissions import LABELS, ROLES_BY_VERB, requires, signed_in
from core.models import Workspace
from core.paging import Sort, asc, desc, page_for
from core.tables import table_response

STAFF_SORTS = {"name": Sort(asc("name"), asc("email")), "-joined": Sort(desc("created_at"))}
KEY_SORTS = {"-created": Sort(desc("created_at"))}


def _bound(form: Any, request: HttpRequest, **kwargs: Any) -> Any:
    return form(request.POST if request.method == "POST" else None, **kwargs)


def _me(request: HttpRequest) -> User:
    """The reader, in views that only staff reach."""
    return cast(User, request.user)


def _wants_fragment(request: HttpRequest) -> bool:
    return bool(getattr(request, "htmx", False))


def _status(form: Form) -> int:
    """422 for a form that came back, so that htmx and tests can tell it from a fresh one."""
    return 422 if form.is_bound else 200


# Ways in


@require_GET
@signed_in
def home(request: HttpRequest) -> HttpResponse:
    """The start page: the first place of the rail that this person may open."""
    places = rail_for(request.user, request.path)
    return redirect(places[0]["url"] if places else "accounts:profile")


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def invitation_accept(request: HttpRequest, token: str) -> HttpResponse:
    """Name and password of an invited person; signs them in."""
    invitation = services.open_invitation(token)
    if invitation is None:
        return render(request, "accounts/invitation_closed.html", status=410)
    form = _bound(AcceptInvitationForm, request, email=invitation.email)
    if form.is_valid():
        try:
            user = services.accept_invitation(
                token=token, name=form.cleaned_data["name"], password=form.cleaned_data["password"]
            )
        except ValidationError as error:
            form.add_error(None, error)
        else:
            return _sign_in(request, user)
    return render(
        request,
        "accounts/invitation_accept.html",
        {"form": form, "invitation": invitation},
        status=_status(form),
    )


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def first_admin(request: HttpRequest, token: str) -> HttpResponse:
    """The one-time page that makes the first admin of an empty installation."""
    if not services.first_admin_link_is_open(token):
        return render(request, "accounts/first_admin_closed.html", status=410)
    workspace = Workspace.current()
    initial = {"workspace": workspace.name, "zone": workspace.zone, "currency": workspace.currency}
    form = _bound(FirstAdminForm, request, initial=initial)
    if form.is_valid():
        try:
            return _sign_in(request, _make_first_admin(token, form.cleaned_data))
        except ValidationError as error:
            form.add_error(None, error)
    return render(request, "accounts/first_admin.html", {"form": form}, status=_status(form))


def _make_first_admin(token: str, given: dict[str, Any]) -> User:
    user = services.create_first_admin(
        token=token, email=given["email"], name=given["name"], password=given["password"]
    )
    changes = {"name": given["workspace"], "zone": given["zone"], "currency": given["currency"]}
    services.change_workspace(changes=changes, by=user)
    return user


def _sign_in(request: HttpRequest, user: User) -> HttpResponse:
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    return redirect("accounts:home")


# One's own account


@require_GET
@signed_in
def settings_index(request: HttpRequest) -> HttpResponse:
    """Settings begin with one's own profile."""
    return redirect("accounts:profile")


@signed_in
def profile(request: HttpRequest) -> HttpResponse:
    """Name, zone, language, look and color of the reader."""
    user = _me(request)
    form = _bound(ProfileForm, request, instance=user)
    if form.is_valid():
        form.save()
        messages.success(request, _("Your profile is saved."))
        return redirect("accounts:profile")
    user.refresh_from_db(fields=["name", "theme", "tone"])
    return render(request, "accounts/profile.html", {"form": form}, status=_status(form))


@require_GET
@signed_in
def security(request: HttpRequest) -> HttpResponse:
    """Password, second factor and the latest sign-ins of the reader."""
    own = audit.entries({"actor": request.user}).filter(
        verb__in=["staff.signed_in", "staff.password_changed"]
    )
    context = {"has_second_factor": is_mfa_enabled(request.user), "recent": own.order_by("-at", "-id")[:8]}
    return render(request, "accounts/security.html", context)


@require_POST
@signed_in
def theme_set(request: HttpRequest) -> HttpResponse:
    """Keep the look that was chosen with the switch in the bar."""
    theme = request.POST.get("theme")
    if theme not in Theme.values:
        return HttpResponse(status=400)
    User.objects.filter(pk=_me(request).pk).update(theme=theme)
    return HttpResponse(status=204)


@require_GET
@signed_in
def notice_list(request: HttpRequest) -> HttpResponse:
    """What is under the bell; looking at it makes it old."""
    user = _me(request)
    context = {"notices": notices.newest_for(user), "seen_at": user.notices_seen_at}
    answer = render(request, "accounts/_notices.html", context)
    notices.mark_seen(user)
    answer["HX-Trigger"] = "rapport:notices"
    return answer


@require_GET
@signed_in
def notice_count(request: HttpRequest) -> HttpResponse:
    """The dot on the bell."""
    return render(request, "accounts/_notice_count.html", {"new": notices.count_new(_me(request))})


# Staff


@require_GET
@requires("team.manage")
def staff_list(request: HttpRequest) -> HttpResponse:
    """Who works here, who is invited, and what each role may do."""
    text, role, closed = (request.GET.get(name, "").strip() for name in ("q", "role", "closed"))
    found = User.objects.prefetch_related("teams").filter(is_active=not closed)
    if text:
        found = found.filter(Q(name__icontains=text) | Q(email__icontains=text))
    if role in Role.values:
        found = found.filter(role=role)
    context = {
        "page": page_for(request, found, sorts=STAFF_SORTS, default="name"),
        "invitations": _open_invitations().prefetch_related("teams") if not (text or role or closed) else [],
        "roles": Role.choices,
        "q": text, "role": role, "closed": closed,
        "matrix": [(LABELS[verb], [role in held for role in Role]) for verb, held in ROLES_BY_VERB.items()],
    }  # fmt: skip
    template = "accounts/_staff_rows.html" if _wants_fragment(request) else "accounts/staff_list.html"
    return render(request, template, context)


def _open_invitations() -> Any:
    return Invitation.objects.filter(accepted_at=None, withdrawn_at=None).select_related("invited_by")


@never_cache
@requires("staff.manage")
def staff_invite(request: HttpRequest) -> HttpResponse:
    """Invite somebody; the link is sent, and shown once for copying."""
    form = _bound(InviteForm, request)
    if form.is_valid():
        given = form.cleaned_data
        try:
            invitation, token = services.invite_staff(
                email=given["email"], role=Role(given["role"]), teams=given["teams"], by=_me(request)
            )
        except ValidationError as error:
            form.add_error("email", error)
        else:
            url = f"{settings.PUBLIC_URL}{reverse('accounts:invitation-accept', args=[token])}"
            context = {"invitation": invitation, "url": url, "sent": mail.send_invitation(invitation, url)}
            return render(request, "accounts/staff_invited.html", context)
    return render(request, "accounts/staff_invite.html", {"form": form}, status=_status(form))


@requires("team.manage")
def staff_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Role and teams of one member of staff."""
    person = get_object_or_404(User, pk=pk)
    form = _bound(StaffForm, request, user=person, by=_me(request))
    if form.is_valid():
        try:
            _change_staff(person, form.cleaned_data, by=_me(request))
        except ValidationError as error:
            form.add_error("role", error)
        else:
            messages.success(request, _("%(name)s is saved.") % {"name": person.display_name})
            return redirect("accounts:staff-list")
    keys = person.api_keys.filter(revoked_at=None).count()
    context = {"form": form, "person": person, "keys": keys}
    return render(request, "accounts/staff_edit.html", context, status=_status(form))


def _change_staff(person: User, given: dict[str, Any], *, by: User) -> None:
    if given["role"] != person.role:
        services.change_role(user=person, role=Role(given["role"]), by=by)
    if set(given["teams"]) != set(person.teams.all()):
        services.change_teams(user=person, teams=given["teams"], by=by)


@require_POST
@requires("staff.manage")
def staff_deactivate(request: HttpRequest, pk: int) -> HttpResponse:
    """Close an account."""
    person = get_object_or_404(User, pk=pk)
    try:
        services.deactivate_staff(user=person, by=_me(request))
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    else:
        messages.success(request, _("The account of %(name)s is closed.") % {"name": person.display_name})
    return redirect("accounts:staff-list")


@require_POST
@requires("staff.manage")
def staff_reactivate(request: HttpRequest, pk: int) -> HttpResponse:
    """Open a closed account again."""
    person = services.reactivate_staff(user=get_object_or_404(User, pk=pk), by=_me(request))
    messages.success(request, _("The account of %(name)s is open again.") % {"name": person.display_name})
    return redirect("accounts:staff-list")


@require_POST
@requires("staff.manage")
def invitation_withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    """Make an invitation's link stop working."""
    invitation = get_object_or_404(Invitation, pk=pk)
    services.withdraw_invitation(invitation=invitation, by=_me(request))
    messages.success(request, _("The invitation of %(email)s is withdrawn.") % {"email": invitation.email})
    return redirect("accounts:staff-list")


# Teams


@require_GET
@requires("team.manage")
def team_list(request: HttpRequest) -> HttpResponse:
    """Teams with their members."""
    active = Count("members", filter=Q(members__is_active=True))
    teams = Team.objects.annotate(people=active).prefetch_related("members")
    page = page_for(request, teams, sorts={"name": Sort(asc("name"))}, default="name")
    return render(request, "accounts/team_list.html", {"page": page})


@requires("team.manage")
def team_create(request: HttpRequest) -> HttpResponse:
    """Make a team."""
    form = _bound(TeamForm, request)
    if form.is_valid():
        try:
            team = services.create_team(**form.cleaned_data, by=_me(request))
        except ValidationError as error:
            form.add_error("name", error.messages)
        else:
            messages.success(request, _("Team “%(name)s” is there.") % {"name": team.name})
            return redirect("accounts:team-list")
    return render(request, "accounts/team_edit.html", {"form": form}, status=_status(form))


@requires("team.manage")
def team_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Rename a team, choose its members."""
    team = get_object_or_404(Team, pk=pk)
    form = _bound(TeamForm, request, initial={"name": team.name, "members": team.members.all()})
    if form.is_valid():
        try:
            services.change_team(team=team, **form.cleaned_data, by=_me(request))
        except ValidationError as error:
            form.add_error("name", error.messages)
        else:
            messages.success(request, _("Team “%(name)s” is saved.") % {"name": team.name})
            return redirect("accounts:team-list")
    return render(request, "accounts/team_edit.html", {"form": form, "team": team}, status=_status(form))


@require_POST
@requires("team.manage")
def team_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete a team that nothing belongs to."""
    team = get_object_or_404(Team, pk=pk)
    try:
        services.delete_team(team=team, by=_me(request))
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    else:
        messages.success(request, _("Team “%(name)s” is deleted.") % {"name": team.name})
    return redirect("accounts:team-list")


# API keys


@require_GET
@requires("apikey.manage")
def key_list(request: HttpRequest) -> HttpResponse:
    """All keys, newest first; revoked ones stay to be seen."""
    keys = APIKey.objects.select_related("created_by")
    page = page_for(request, keys, sorts=KEY_SORTS, default="-created")
    return render(request, "accounts/key_list.html", {"page": page})


@never_cache
@requires("apikey.manage")
def key_create(request: HttpRequest) -> HttpResponse:
    """Make a key; the answer shows it, and nothing ever shows it again."""
    form = _bound(APIKeyForm, request, by=_me(request))
    if form.is_valid():
        key, token = services.create_api_key(**form.cleaned_data, by=_me(request))
        context = {"key": key, "token": token, "api_url": f"{settings.PUBLIC_URL}/api/v1/me/"}
        return render(request, "accounts/key_created.html", context)
    return render(request, "accounts/key_create.html", {"form": form}, status=_status(form))


@require_POST
@requires("apikey.manage")
def key_revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop a key for good."""
    key = get_object_or_404(APIKey, pk=pk)
    services.revoke_api_key(key=key, by=_me(request))
    messages.success(
        request, _("“%(name)s” is revoked; the next call with it is refused.") % {"name": key.name}
    )
    return redirect("accounts:key-list")


# Audit trail and workspace


@require_GET
@requires("audit.read")
def audit_list(request: HttpRequest) -> HttpResponse:
    """Who did what, newest first."""
    form = AuditFilterForm(request.GET)
    wanted = form.wanted()
    context = {
        "form": form,
        "wanted": wanted,
        "verbs": [(verb, audit.verb_label(verb)) for verb in audit.known_verbs()],
        "page": page_for(request, audit.entries(wanted), sorts=audit.SORTS, default="-at"),
    }
    template = "accounts/_audit_rows.html" if _wants_fragment(request) else "accounts/audit_list.html"
    return render(request, template, context)


@require_GET
@requires("audit.read")
def audit_export(request: HttpRequest) -> StreamingHttpResponse:
    """The same entries as a file."""
    found = audit.entries(AuditFilterForm(request.GET).wanted())
    day = timezone.localdate().isoformat()
    return table_response(request, f"audit-{day}", audit.HEADER, audit.rows(found))


@requires("workspace.manage")
def workspace_edit(request: HttpRequest) -> HttpResponse:
    """Name, zone, country, currency and week of the installation."""
    form = _bound(WorkspaceForm, request, instance=Workspace.current())
    if form.is_valid():
        services.change_workspace(changes=form.cleaned_data, by=_me(request))
        messages.success(request, _("The workspace is saved."))
        return redirect("accounts:workspace")
    context = {"form": form, "currencies": CURRENCIES}
    return render(request, "accounts/workspace.html", context, status=_status(form))
