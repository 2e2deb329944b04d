"""The table of roles and rights, held against one that was written by hand from the issue."""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied

from accounts.models import APIKey
from accounts.permissions import LABELS, NOT_FOR_KEYS, ROLES_BY_VERB, SCOPES, can, check, requires, rights
from accounts.querysets import team_ids
from accounts.services import create_team

# admin, manager, agent, marketer, viewer
EXPECTED = """
conversation.read      x x x x x
conversation.reply     x x x . .
conversation.assign    x x x . .
conversation.moderate  x x x . .
conversation.remove    x x . . .
note.write             x x x x .
interaction.write      x x . . .
customer.read          x x x x x
customer.edit          x x x x .
customer.merge         x x x . .
customer.export        x x . . .
customer.erase         x x . . .
field.manage           x x . . .
privacy.manage         x x . . .
order.write            x x . . .
segment.read           x x x x x
segment.edit           x x . x .
persona.read           x x x x x
persona.edit           x x . x .
persona.share          x x . x .
spend.edit             x x . x .
personalize.manage     x x . . .
reading.correct        x x x x .
reading.manage         x x . . .
rebuild.start          x x . x .
analytics.read         x x x x x
import.run             x x . x .
export.run             x x . x .
job.read               x x x x x
event.read             x x x x .
channel.manage         x x . . .
team.manage            x x . . .
audit.read             x x . . .
staff.manage           x . . . .
apikey.manage          x . . . .
workspace.manage       x . . . .
demo.remove            x . . . .
"""


@pytest.fixture
def cast(ada, max, amy, mia, vic):
    return [ada, max, amy, mia, vic]


def test_the_table_is_the_one_that_was_decided(cast):
    rows = [line.split() for line in EXPECTED.strip().splitlines()]
    assert {row[0] for row in rows} == set(ROLES_BY_VERB)
    for verb, *marks in rows:
        assert [can(user, verb) for user in cast] == [mark == "x" for mark in marks], verb


def test_every_verb_has_a_label_for_people():
    assert set(LABELS) == set(ROLES_BY_VERB)


def test_nobody_may_do_nothing(db):
    assert rights(AnonymousUser()) == frozenset()


def test_a_closed_account_may_do_nothing(ada):
    ada.is_active = False
    assert rights(ada) == frozenset()


def test_a_key_may_do_only_what_its_scopes_and_its_maker_may(amy):
    amy.api_key = APIKey(scopes=["customer.read", "channel.manage"])
    assert rights(amy) == {"customer.read"}


def test_no_scope_lets_a_key_make_staff_or_keys():
    assert not NOT_FOR_KEYS & set(SCOPES)
    assert NOT_FOR_KEYS | set(SCOPES) == set(ROLES_BY_VERB)


def test_an_unknown_verb_is_a_mistake_of_ours(ada):
    with pytest.raises(KeyError):
        can(ada, "customer.fly")
    with pytest.raises(KeyError):
        requires("customer.fly")


def test_check_names_what_is_missing(vic):
    with pytest.raises(PermissionDenied, match="Answer conversations"):
        check(vic, "conversation.reply")


def test_admins_and_managers_see_all_teams_and_others_their_own(ada, max, amy):
    workshop = create_team(name="Workshop", members=[], by=ada)
    care = create_team(name="Care", members=[amy], by=ada)
    general = amy.teams.get(is_general=True)
    assert team_ids(amy) == sorted([general.pk, care.pk])
    assert team_ids(max) == sorted([general.pk, care.pk, workshop.pk])
    assert team_ids(AnonymousUser()) == []


def test_teams_are_asked_of_the_database_once_a_request(amy, django_assert_num_queries):
    with django_assert_num_queries(1):
        team_ids(amy)
        team_ids(amy)
