"""Staff, invitations and the first admin."""

import re
import threading
from datetime import timedelta

import pytest
from django.core import mail
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, connection, transaction
from django.urls import reverse
from django.utils import timezone

from accounts import services
from accounts.models import AuditEntry, FirstAdminLink, Invitation, Role, Team, User
from core.models import Workspace

PASSWORD = "correct-horse-battery"


def audited(verb):
    return AuditEntry.objects.filter(verb=verb).count()


# Addresses


def test_an_address_is_unique_whatever_its_case(ada):
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create_user("ADA@Example.com", PASSWORD)


def test_the_database_refuses_an_address_in_capitals(ada):
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.filter(pk=ada.pk).update(email="ADA@example.com")


def test_the_database_refuses_an_unknown_role(ada):
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.filter(pk=ada.pk).update(role="king")


# Invitations


def invite(ada, **more):
    return services.invite_staff(**{"email": "Noor@Example.com", "role": Role.AGENT, "by": ada, **more})


def test_an_invited_person_joins_with_role_and_teams(ada):
    care = services.create_team(name="Care", by=ada)
    _invitation, token = invite(ada, role=Role.MARKETER, teams=[care])
    noor = services.accept_invitation(token=token, name="Noor", password=PASSWORD)
    assert (noor.email, noor.role, list(noor.teams.all())) == ("noor@example.com", Role.MARKETER, [care])
    assert audited("staff.invited") == audited("staff.joined") == 1


def test_without_teams_an_invited_person_joins_the_general_team(ada):
    _invitation, token = invite(ada)
    noor = services.accept_invitation(token=token, name="Noor", password=PASSWORD)
    assert list(noor.teams.all()) == [Team.general()]


def test_an_invitation_works_once(ada):
    _invitation, token = invite(ada)
    services.accept_invitation(token=token, name="Noor", password=PASSWORD)
    with pytest.raises(ValidationError):
        services.accept_invitation(token=token, name="Eve", password=PASSWORD)
    assert services.open_invitation(token) is None


def test_an_invitation_ends_after_seven_days(ada):
    invitation, token = invite(ada)
    Invitation.objects.filter(pk=invitation.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert services.open_invitation(token) is None
    with pytest.raises(ValidationError):
        services.accept_invitation(token=token, name="Noor", password=PASSWORD)


def test_a_withdrawn_invitation_opens_nothing(ada):
    invitation, token = invite(ada)
    services.withdraw_invitation(invitation=invitation, by=ada)
    assert services.open_invitation(token) is None


def test_a_second_invitation_replaces_the_first(ada):
    _first, old = invite(ada)
    _second, new = invite(ada)
    assert services.open_invitation(old) is None
    assert services.open_invitation(new) is not None


def test_only_the_hash_of_an_invitation_is_kept(ada):
    _invitation, token = invite(ada)
    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(i)::text FROM accounts_invitation i")
        assert token not in cursor.fetchone()[0]


def test_somebody_who_works_here_cannot_be_invited(ada, amy):
    with pytest.raises(ValidationError, match="works here already"):
        invite(ada, email="AMY@example.com")


def test_only_an_admin_invites(max):
    with pytest.raises(PermissionDenied):
        invite(max)


def test_the_whole_way_from_invitation_to_inside(ada, signed_in, anonymous, settings):
    settings.EMAIL_URL = "smtp://elsewhere"
    page = signed_in(ada).post(
        reverse("accounts:staff-invite"), {"email": "noor@example.com", "role": "agent"}
    )
    link = re.search(r'value="[^"]*(/invitation/[^"]+)"', page.content.decode()).group(1)
    assert page.headers["Cache-Control"].startswith("max-age=0")
    assert link in mail.outbox[0].body and mail.outbox[0].to == ["noor@example.com"]
    assert "noor@example.com" in anonymous.get(link).content.decode()
    answer = anonymous.post(link, {"name": "Noor", "password": PASSWORD})
    assert answer.status_code == 302
    assert anonymous.get(reverse("accounts:profile")).context["user"].name == "Noor"


def test_a_weak_password_is_refused_at_the_field(ada, anonymous):
    _invitation, token = invite(ada)
    answer = anonymous.post(
        reverse("accounts:invitation-accept", args=[token]), {"name": "Noor", "password": "password12"}
    )
    assert answer.status_code == 422
    assert "password" in answer.context["form"].errors
    assert not User.objects.filter(email="noor@example.com").exists()


def test_an_unknown_invitation_says_so(anonymous, db):
    answer = anonymous.get(reverse("accounts:invitation-accept", args=["nonsense"]))
    assert answer.status_code == 410
    assert "This invitation is closed" in answer.content.decode()


# The first admin


def test_the_first_admin_link_works_once(db):
    token = services.first_admin_link()
    ada = services.create_first_admin(token=token, email="Ada@x.org", name="Ada", password=PASSWORD)
    assert ada.role == Role.ADMIN and ada.email == "ada@x.org"
    with pytest.raises(ValidationError):
        services.create_first_admin(token=token, email="eve@x.org", name="Eve", password=PASSWORD)
    assert services.first_admin_link() is None


def test_a_new_first_admin_link_replaces_the_old_one(db):
    old, new = services.first_admin_link(), services.first_admin_link()
    assert not services.first_admin_link_is_open(old)
    assert services.first_admin_link_is_open(new)
    assert not FirstAdminLink.objects.filter(token_hash=new).exists()


def test_the_link_is_dead_once_anybody_works_here(db, staff):
    token = services.first_admin_link()
    staff("vic", "viewer")
    assert not services.first_admin_link_is_open(token)


def test_the_set_up_page_makes_admin_and_workspace(db, anonymous):
    url = reverse("accounts:first-admin", args=[services.first_admin_link()])
    assert anonymous.get(url).status_code == 200
    given = {"name": "Ada", "email": "ada@x.org", "password": PASSWORD, "workspace": "Tamper & Tide"}
    answer = anonymous.post(url, {**given, "zone": "Europe/Brussels", "currency": "EUR"})
    assert answer.status_code == 302
    workspace = Workspace.current()
    assert (workspace.name, workspace.zone, workspace.currency) == ("Tamper & Tide", "Europe/Brussels", "EUR")
    assert anonymous.get(url).status_code == 410


# Roles and closing accounts


def test_the_last_admin_keeps_the_role(ada):
    with pytest.raises(ValidationError, match="only admin"):
        services.change_role(user=ada, role=Role.AGENT, by=ada)
    ada.refresh_from_db()
    assert ada.role == Role.ADMIN


def test_the_last_admin_cannot_be_deactivated(ada, staff):
    other = staff("bea", "admin")
    services.deactivate_staff(user=other, by=ada)
    with pytest.raises(ValidationError, match="only admin"):
        services.deactivate_staff(user=ada, by=ada)


@pytest.mark.django_db(transaction=True)
def test_two_admins_cannot_remove_each_other_at_once(staff):
    one, two = staff("ada", "admin"), staff("bea", "admin")
    start = threading.Barrier(2)
    refused = []

    def demote(who, by):
        start.wait()
        try:
            services.change_role(user=who, role=Role.VIEWER, by=by)
        except ValidationError:
            refused.append(who)
        finally:
            connection.close()

    threads = [threading.Thread(target=demote, args=pair) for pair in ((one, two), (two, one))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    assert User.objects.filter(role=Role.ADMIN).count() == 1


def test_a_closed_account_is_out_at_once_and_can_come_back(ada, amy, signed_in):
    browser = signed_in(amy)
    assert browser.get(reverse("accounts:profile")).status_code == 200
    services.deactivate_staff(user=amy, by=ada)
    assert browser.get(reverse("accounts:profile")).status_code == 302
    assert not browser.login(username=amy.email, password=PASSWORD)
    services.reactivate_staff(user=amy, by=ada)
    assert browser.login(username=amy.email, password=PASSWORD)


def test_a_manager_sets_teams_but_not_roles(max, amy, signed_in):
    care = services.create_team(name="Care", by=max)
    answer = signed_in(max).post(
        reverse("accounts:staff-edit", args=[amy.pk]), {"role": "admin", "teams": [care.pk]}
    )
    amy.refresh_from_db()
    assert answer.status_code == 302
    assert amy.role == Role.AGENT and list(amy.teams.all()) == [care]


def test_the_page_says_why_the_last_admin_stays(ada, signed_in):
    answer = signed_in(ada).post(reverse("accounts:staff-edit", args=[ada.pk]), {"role": "viewer"})
    assert answer.status_code == 422
    assert "only admin" in answer.content.decode()


# Teams


def test_the_general_team_cannot_be_deleted_even_by_sql(ada):
    general = Team.general()
    with pytest.raises(ValidationError):
        services.delete_team(team=general, by=ada)
    with (
        pytest.raises(IntegrityError, match="general team"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("DELETE FROM accounts_user_teams")
        cursor.execute("DELETE FROM accounts_team WHERE is_general")
    with pytest.raises(IntegrityError), transaction.atomic():
        Team.objects.filter(pk=general.pk).update(is_general=False)


def test_there_is_one_general_team(db):
    Team.general()
    with pytest.raises(IntegrityError), transaction.atomic():
        Team.objects.create(name="Other", is_general=True)


def test_team_names_differ_in_more_than_case(ada):
    services.create_team(name="Care", by=ada)
    with pytest.raises(ValidationError):
        services.create_team(name=" care ", by=ada)


def test_a_team_is_made_renamed_and_deleted_on_its_pages(max, amy, signed_in):
    browser = signed_in(max)
    browser.post(reverse("accounts:team-create"), {"name": "Care", "members": [amy.pk]})
    team = Team.objects.get(name="Care")
    assert list(team.members.all()) == [amy]
    browser.post(reverse("accounts:team-edit", args=[team.pk]), {"name": "Customer care", "members": []})
    team.refresh_from_db()
    assert team.name == "Customer care" and not team.members.exists()
    browser.post(reverse("accounts:team-delete", args=[team.pk]))
    assert not Team.objects.filter(pk=team.pk).exists()
    assert [audited(f"team.{what}") for what in ("created", "changed", "deleted")] == [1, 1, 1]
