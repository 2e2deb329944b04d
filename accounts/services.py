"""Every write about staff, teams, invitations and keys, each with its line in the audit trail."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from allauth.account.models import EmailAddress
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import ProtectedError
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.authentication import KEY_START, hash_secret
from accounts.models import (
    AVATAR_TONES,
    APIKey,
    AuditEntry,
    FirstAdminLink,
    Invitation,
    Role,
    Team,
    User,
)
from accounts.origin import client_ip
from accounts.permissions import SCOPES, can, check
from core.events import emit
from core.models import Workspace

INVITATION_LASTS = timedelta(days=7)


def record_audit(
    *,
    by: User | None,
    verb: str,
    target: models.Model | None = None,
    name: str | None = None,
    detail: dict[str, Any] | None = None,
) -> AuditEntry:
    """Write one line of the audit trail; the only way to write one.

    `verb` is `<kind>.<what happened>` in the past tense. Lines are never changed, so neither `name` nor
    `detail` may hold what a customer can ask to have erased: give ids.
    """
    return AuditEntry.objects.create(
        actor=by,
        api_key=by.api_key if by else None,
        actor_name=by.display_name if by else "",
        verb=verb,
        object_kind=target._meta.label_lower if target is not None else "",
        object_id=str(target.pk) if target is not None else "",
        object_name=(str(target) if name is None and target is not None else name or "")[:200],
        detail=detail or {},
        ip=client_ip(),
    )


# Staff


def hash_token(token: str) -> str:
    """What the database keeps of a link's token."""
    return hashlib.sha256(token.encode()).hexdigest()


@transaction.atomic
def invite_staff(*, email: str, role: Role, teams: Iterable[Team] = (), by: User) -> tuple[Invitation, str]:
    """Invite somebody; withdraws an older open invitation of the address. Returns it and its token."""
    check(by, "staff.manage")
    email = email.strip().lower()
    known = User.objects.filter(email=email).first()
    if known is not None:
        raise ValidationError(_already_here(known))
    Invitation.objects.filter(email=email, accepted_at=None, withdrawn_at=None).update(
        withdrawn_at=timezone.now()
    )
    token = secrets.token_urlsafe(32)
    invitation = Invitation.objects.create(
        email=email,
        role=role,
        token_hash=hash_token(token),
        invited_by=by,
        expires_at=timezone.now() + INVITATION_LASTS,
    )
    invitation.teams.set(teams)
    record_audit(by=by, verb="staff.invited", target=invitation, detail={"role": role})
    return invitation, token


def _already_here(user: User) -> str:
    if user.is_active:
        return _("%(email)s works here already.") % {"email": user.email}
    return _("%(email)s worked here before. Reactivate the account in the list of staff.") % {
        "email": user.email
    }


@transaction.atomic
def withdraw_invitation(*, invitation: Invitation, by: User) -> None:
    """Close an open invitation; its link stops working."""
    check(by, "staff.manage")
    open_ones = Invitation.objects.filter(pk=invitation.pk, accepted_at=None, withdrawn_at=None)
    if open_ones.update(withdrawn_at=timezone.now()):
        record_audit(by=by, verb="staff.invitation_withdrawn", target=invitation)


def open_invitation(token: str) -> Invitation | None:
    """The invitation this token opens, or None when it is unknown, used, withdrawn or too old."""
    found = Invitation.objects.select_related("invited_by").filter(token_hash=hash_token(token)).first()
    return found if found is not None and found.is_open else None


@transaction.atomic
def accept_invitation(*, token: str, name: str, password: str) -> User:
    """Make the invited person a member of staff. ValidationError when the invitation is not open."""
    invitation = Invitation.objects.select_for_update().filter(token_hash=hash_token(token)).first()
    if invitation is None or not invitation.is_open:
        raise ValidationError(_("This invitation was used, withdrawn or is too old. Ask for a new one."))
    if User.objects.filter(email=invitation.email).exists():
        raise ValidationError(_("There is an account for this address already. Sign in instead."))
    user = create_staff(
        email=invitation.email,
        name=name,
        password=password,
        role=Role(invitation.role),
        teams=invitation.teams.all(),
    )
    invitation.accepted_at, invitation.accepted_by = timezone.now(), user
    invitation.save(update_fields=["accepted_at", "accepted_by"])
    record_audit(by=user, verb="staff.joined", target=user, detail={"invited_by": invitation.invited_by_id})
    return user


@transaction.atomic
def create_staff(
    *, email: str, name: str, password: str | None, role: Role, teams: Iterable[Team] = ()
) -> User:
    """Make a member of staff with a verified address; without teams, one of the general team."""
    tone = 1 + secrets.randbelow(AVATAR_TONES)
    user = User.objects.create_user(email, password, name=name.strip(), role=role, tone=tone)
    user.teams.set(list(teams) or [Team.general()])
    EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=True)
    return user


@transaction.atomic
def change_role(*, user: User, role: Role, by: User) -> User:
    """Give somebody another role. ValidationError when that would leave no admin."""
    check(by, "staff.manage")
    user = _locked(user)
    if user.role == role:
        return user
    if user.role == Role.ADMIN:
        _refuse_last_admin(user)
    before, user.role = user.role, role
    user.save(update_fields=["role"])
    record_audit(by=by, verb="staff.role_changed", target=user, detail={"from": before, "to": role})
    return user


@transaction.atomic
def change_teams(*, user: User, teams: Iterable[Team], by: User) -> None:
    """Put somebody into exactly these teams; without any, into the general one."""
    check(by, "team.manage")
    chosen = list(teams) or [Team.general()]
    user.teams.set(chosen)
    record_audit(
        by=by, verb="staff.teams_changed", target=user, detail={"teams": sorted(t.pk for t in chosen)}
    )


@transaction.atomic
def deactivate_staff(*, user: User, by: User) -> User:
    """Close an account: its sessions and API keys stop working. ValidationError for the last admin."""
    check(by, "staff.manage")
    user = _locked(user)
    if not user.is_active:
        return user
    if user.role == Role.ADMIN:
        _refuse_last_admin(user)
    user.is_active, user.deactivated_at = False, timezone.now()
    user.save(update_fields=["is_active", "deactivated_at"])
    record_audit(by=by, verb="staff.deactivated", target=user)
    emit("staff.deactivated", staff=user.pk)
    return user


@transaction.atomic
def reactivate_staff(*, user: User, by: User) -> User:
    """Open a closed account again, with the password it had."""
    check(by, "staff.manage")
    user = _locked(user)
    if user.is_active:
        return user
    user.is_active, user.deactivated_at = True, None
    user.save(update_fields=["is_active", "deactivated_at"])
    record_audit(by=by, verb="staff.reactivated", target=user)
    return user


def _locked(user: User) -> User:
    """The person, read under a lock on all admins: two admins cannot remove each other at once."""
    locked = User.objects.select_for_update().filter(models.Q(role=Role.ADMIN) | models.Q(pk=user.pk))
    return {one.pk: one for one in locked.order_by("pk")}[user.pk]


def _refuse_last_admin(user: User) -> None:
    if not User.objects.filter(role=Role.ADMIN, is_active=True).exclude(pk=user.pk).exists():
        raise ValidationError(
            _("%(name)s is the only admin. Make somebody else an admin first.") % {"name": user.display_name}
        )


# The first admin


@transaction.atomic
def first_admin_link() -> str | None:
    """The token of a new one-time link while nobody works here yet, else None. Earlier links stop working."""
    if User.objects.exists():
        return None
    FirstAdminLink.objects.filter(used_at=None).delete()
    token = secrets.token_urlsafe(32)
    FirstAdminLink.objects.create(token_hash=hash_token(token))
    return token


def first_admin_link_is_open(token: str) -> bool:
    """Whether this link still makes an admin."""
    return (
        FirstAdminLink.objects.filter(token_hash=hash_token(token), used_at=None).exists()
        and not User.objects.exists()
    )


@transaction.atomic
def create_first_admin(*, token: str, email: str, name: str, password: str) -> User:
    """Make the first admin; the link works once. ValidationError when it does not work any more."""
    link = (
        FirstAdminLink.objects.select_for_update().filter(token_hash=hash_token(token), used_at=None).first()
    )
    if link is None or User.objects.exists():
        raise ValidationError(_("This link was used already. Sign in instead."))
    user = create_staff(email=email, name=name, password=password, role=Role.ADMIN)
    link.used_at = timezone.now()
    link.save(update_fields=["used_at"])
    record_audit(by=user, verb="staff.joined", target=user, detail={"first_admin": True})
    return user


# Teams


@transaction.atomic
def create_team(*, name: str, members: Iterable[User] = (), by: User) -> Team:
    """Make a team. ValidationError when one of that name exists."""
    check(by, "team.manage")
    team = Team(name=name.strip())
    team.full_clean()
    team.save()
    team.members.set(members)
    record_audit(by=by, verb="team.created", target=team)
    return team


@transaction.atomic
def change_team(*, team: Team, name: str, members: Iterable[User], by: User) -> Team:
    """Rename a team and set who belongs to it. ValidationError when another team has that name."""
    check(by, "team.manage")
    team.name = name.strip()
    team.full_clean()
    team.save(update_fields=["name"])
    chosen = list(members)
    team.members.set(chosen)
    record_audit(by=by, verb="team.changed", target=team, detail={"members": sorted(m.pk for m in chosen)})
    return team


@transaction.atomic
def delete_team(*, team: Team, by: User) -> None:
    """Delete a team that nothing belongs to; ValidationError for the general team and for one in use."""
    check(by, "team.manage")
    if team.is_general:
        raise ValidationError(_("This team takes what no other team takes; it can be renamed, not deleted."))
    pk, name = team.pk, team.name
    try:
        with transaction.atomic():
            team.delete()
    except ProtectedError as error:
        raise ValidationError(
            _("“%(name)s” still has conversations or channels. Move them to another team first.")
            % {"name": name}
        ) from error
    team.pk = pk
    record_audit(by=by, verb="team.deleted", target=team)


# API keys


@transaction.atomic
def create_api_key(*, name: str, scopes: Iterable[str], by: User) -> tuple[APIKey, str]:
    """Make a key; returns it and the token, which is shown once and kept nowhere."""
    check(by, "apikey.manage")
    wanted = sorted(set(scopes))
    refused = [verb for verb in wanted if verb not in SCOPES or not can(by, verb)]
    if refused:
        raise ValidationError(_("A key cannot have: %(verbs)s.") % {"verbs": ", ".join(refused)})
    if not wanted:
        raise ValidationError(_("Choose at least one thing the key may do."))
    prefix, secret = secrets.token_hex(5), secrets.token_urlsafe(32)
    key = APIKey.objects.create(
        name=name.strip(), prefix=prefix, secret_hash=hash_secret(secret), scopes=wanted, created_by=by
    )
    record_audit(by=by, verb="apikey.created", target=key, detail={"scopes": wanted})
    return key, f"{KEY_START}_{prefix}_{secret}"


@transaction.atomic
def revoke_api_key(*, key: APIKey, by: User) -> None:
    """Stop a key for good; the next call with it is refused."""
    check(by, "apikey.manage")
    if APIKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now()):
        record_audit(by=by, verb="apikey.revoked", target=key)


# Workspace


@transaction.atomic
def change_workspace(*, changes: dict[str, Any], by: User) -> Workspace:
    """Write the named fields of the workspace that differ; what changed stands in the audit trail."""
    check(by, "workspace.manage")
    workspace = Workspace.objects.select_for_update().get(pk=Workspace.current().pk)
    changed = {name: value for name, value in changes.items() if getattr(workspace, name) != value}
    before = {name: getattr(workspace, name) for name in changed}
    for name, value in changed.items():
        setattr(workspace, name, value)
    if changed:
        workspace.save(update_fields=list(changed))
        record_audit(
            by=by, verb="workspace.changed", target=workspace, detail={"from": before, "to": changed}
        )
    return workspace
