"""What each role may do: one table of verbs and roles, and the doors that ask it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar, Concatenate, ParamSpec
from urllib.parse import urlsplit

from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import resolve_url
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django_htmx.http import HttpResponseClientRedirect
from rest_framework.exceptions import PermissionDenied as APIPermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission

from accounts.models import Role, User

if TYPE_CHECKING:
    from rest_framework.request import Request
    from rest_framework.views import APIView

P = ParamSpec("P")
Somebody = User | AnonymousUser

_ADMIN = frozenset({Role.ADMIN})
_LEADS = frozenset({Role.ADMIN, Role.MANAGER})
_SERVICE = _LEADS | {Role.AGENT}
_MARKETING = _LEADS | {Role.MARKETER}
_WORKERS = _SERVICE | _MARKETING
_ALL = _WORKERS | {Role.VIEWER}

ROLES_BY_VERB: dict[str, frozenset[Role]] = {
    "conversation.read": _ALL,
    "conversation.reply": _SERVICE,
    "conversation.assign": _SERVICE,
    "conversation.moderate": _SERVICE,
    "conversation.remove": _LEADS,
    "note.write": _WORKERS,
    "interaction.write": _LEADS,
    "customer.read": _ALL,
    "customer.edit": _WORKERS,
    "customer.merge": _SERVICE,
    "customer.export": _LEADS,
    "customer.erase": _LEADS,
    "field.manage": _LEADS,
    "privacy.manage": _LEADS,
    "order.write": _LEADS,
    "segment.read": _ALL,
    "segment.edit": _MARKETING,
    "persona.read": _ALL,
    "persona.edit": _MARKETING,
    "persona.share": _MARKETING,
    "spend.edit": _MARKETING,
    "personalize.manage": _LEADS,
    "reading.correct": _WORKERS,
    "reading.manage": _LEADS,
    "rebuild.start": _MARKETING,
    "analytics.read": _ALL,
    "import.run": _MARKETING,
    "export.run": _MARKETING,
    "job.read": _ALL,
    "event.read": _WORKERS,
    "channel.manage": _LEADS,
    "team.manage": _LEADS,
    "audit.read": _LEADS,
    "staff.manage": _ADMIN,
    "apikey.manage": _ADMIN,
    "workspace.manage": _ADMIN,
    "demo.remove": _ADMIN,
}

LABELS: dict[str, Promise] = {
    "conversation.read": _("Read conversations"),
    "conversation.reply": _("Answer conversations"),
    "conversation.assign": _("Assign, resolve and tag conversations"),
    "conversation.moderate": _("Hide and like comments on their network"),
    "conversation.remove": _("Delete comments and block people on their network"),
    "note.write": _("Write notes"),
    "interaction.write": _("Push interactions"),
    "customer.read": _("Read customers, identities and orders"),
    "customer.edit": _("Edit customers"),
    "customer.merge": _("Merge customers, attach and detach identities"),
    "customer.export": _("Export everything about one customer"),
    "customer.erase": _("Erase customers"),
    "field.manage": _("Define the workspace's own customer fields"),
    "privacy.manage": _("Set retention and privacy rules"),
    "order.write": _("Push orders"),
    "segment.read": _("Read segments"),
    "segment.edit": _("Edit segments"),
    "persona.read": _("Read personas"),
    "persona.edit": _("Edit personas"),
    "persona.share": _("Share persona cards by a link"),
    "spend.edit": _("Enter what advertising cost"),
    "personalize.manage": _("Make and revoke keys for personalization"),
    "reading.correct": _("Correct how a message was read"),
    "reading.manage": _("Read messages anew"),
    "rebuild.start": _("Start a rebuild"),
    "analytics.read": _("Read dashboards"),
    "import.run": _("Import files"),
    "export.run": _("Export to files"),
    "job.read": _("See jobs"),
    "event.read": _("Read the change feed"),
    "channel.manage": _("Connect and change channels"),
    "team.manage": _("Manage teams"),
    "audit.read": _("Read the audit trail"),
    "staff.manage": _("Invite and manage staff"),
    "apikey.manage": _("Make and revoke API keys"),
    "workspace.manage": _("Change the workspace"),
    "demo.remove": _("Remove the demo data"),
}

# A key must not be able to make staff, keys or a different installation.
NOT_FOR_KEYS = frozenset({"staff.manage", "apikey.manage", "workspace.manage", "demo.remove"})
SCOPES: tuple[str, ...] = tuple(verb for verb in ROLES_BY_VERB if verb not in NOT_FOR_KEYS)

SEES_ALL_TEAMS = _LEADS


def can(user: Somebody, verb: str) -> bool:
    """Whether this person, or the key that acts for them, may do this; KeyError for an unknown verb."""
    roles = ROLES_BY_VERB[verb]
    if not isinstance(user, User) or not user.is_active:
        return False
    if user.api_key is not None and verb not in user.api_key.scopes:
        return False
    return user.role in roles


def rights(user: Somebody) -> frozenset[str]:
    """Every verb this person may use."""
    return frozenset(verb for verb in ROLES_BY_VERB if can(user, verb))


def check(user: Somebody, verb: str) -> None:
    """Raise PermissionDenied unless this person may do this: the question that service doors ask."""
    if not can(user, verb):
        raise PermissionDenied(str(LABELS[verb]))


def requires(
    verb: str,
) -> Callable[
    [Callable[Concatenate[HttpRequest, P], HttpResponseBase]],
    Callable[Concatenate[HttpRequest, P], HttpResponseBase],
]:
    """Open a view only to those who may do `verb`: strangers are sent to sign in, others get the 403 page."""
    if verb not in ROLES_BY_VERB:
        raise KeyError(verb)

    def decorate(
        view: Callable[Concatenate[HttpRequest, P], HttpResponseBase],
    ) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
        @wraps(view)
        def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return to_sign_in(request)
            check(request.user, verb)
            return view(request, *args, **kwargs)

        guarded.required_verb = verb  # type: ignore[attr-defined]
        return guarded

    return decorate


def signed_in(
    view: Callable[Concatenate[HttpRequest, P], HttpResponseBase],
) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """Open a view to all staff: one's own profile, notices, search."""

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return to_sign_in(request)
        return view(request, *args, **kwargs)

    return guarded


def to_sign_in(request: HttpRequest) -> HttpResponseBase:
    """Send to the sign-in page and back; a fragment makes the whole page go there, not a box inside it."""
    if getattr(request, "htmx", False):
        back = request.headers.get("HX-Current-URL", "")
        answer = redirect_to_login(_path_of(back), resolve_url("account_login"))
        return HttpResponseClientRedirect(answer.url)
    return redirect_to_login(request.get_full_path(), resolve_url("account_login"))


def _path_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path or "/"


class RightMissing(APIPermissionDenied):
    """The 403 of the API, which names the right that is missing."""

    def __init__(self, verb: str) -> None:
        super().__init__(_("This needs the right “%(verb)s”.") % {"verb": verb})


class _VerbPermission(BasePermission):
    """Asks the table for one verb to read and one to write."""

    read: ClassVar[str]
    write: ClassVar[str]

    def has_permission(self, request: Request, view: APIView | Any) -> bool:
        verb = self.read if request.method in SAFE_METHODS else self.write
        allowed = can(request.user, verb)
        if request.user.is_authenticated and not allowed:
            raise RightMissing(verb)
        return allowed


def Requires(read: str, write: str | None = None) -> type[BasePermission]:
    """For API views: `permission_classes = [Requires("customer.read", write="customer.edit")]`."""
    for verb in (read, write):
        if verb is not None and verb not in ROLES_BY_VERB:
            raise KeyError(verb)
    return type("Requires", (_VerbPermission,), {"read": read, "write": write or read})


def staff(request: HttpRequest) -> User:
    """Who is signed in, behind a door that only staff pass. Raises PermissionDenied for anybody else."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user
