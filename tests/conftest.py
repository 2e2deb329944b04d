"""The cast: one member of staff a role, and clients that are signed in as them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.core.cache import cache
from django.test import Client

from accounts.models import Role, Team, User

PASSWORD = "walnut-dripper-9"


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    """Limits of one test do not reach the next."""
    cache.clear()


@pytest.fixture
def general(db: None) -> Team:
    """The team that always exists."""
    return Team.general()


@pytest.fixture
def make_user(general: Team) -> Callable[..., User]:
    """Makes a member of staff, in the general team unless told otherwise."""

    def make(name: str, role: Role, teams: list[Team] | None = None) -> User:
        user = User.objects.create_user(
            f"{name.lower()}@rapport.test", PASSWORD, name=name.capitalize(), role=role
        )
        user.teams.set([general] if teams is None else teams)
        return user

    return make


@pytest.fixture
def ada(make_user: Callable[..., User]) -> User:
    """The admin."""
    return make_user("ada", Role.ADMIN)


@pytest.fixture
def max(make_user: Callable[..., User]) -> User:
    """The manager."""
    return make_user("max", Role.MANAGER)


@pytest.fixture
def amy(make_user: Callable[..., User]) -> User:
    """The agent."""
    return make_user("amy", Role.AGENT)


@pytest.fixture
def mia(make_user: Callable[..., User]) -> User:
    """The marketer."""
    return make_user("mia", Role.MARKETER)


@pytest.fixture
def vic(make_user: Callable[..., User]) -> User:
    """The viewer."""
    return make_user("vic", Role.VIEWER)


@pytest.fixture
def anonymous() -> Client:
    """Nobody's browser."""
    return Client()


@pytest.fixture
def as_user() -> Callable[[User], Client]:
    """A browser in which somebody is signed in: `as_user(amy).get("/inbox/")`."""

    def sign_in(user: User) -> Client:
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return client

    return sign_in
