"""Plans and figures on advertising end after a while, and say so."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg2
import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from accounts.models import User
from personas.models import Persona, ReachPlan
from personas.quick_counts import under_way
from personas.reach import bounding
from personas.reach.bounding import ReachTooSlow, bounded
from personas.reach.evidence import Audience
from personas.reach.keeping import keep_plan
from personas.reach.planning import Ask, next_month
from tests.api import Caller

pytestmark = pytest.mark.django_db


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounding, "SECONDS", 0.4)


@contextmanager
def held(table: str) -> Iterator[None]:
    """Nobody can read a table meanwhile: what asks it waits as long as it may."""
    named = connection.get_connection_params()
    where = {name: named[name] for name in ("dbname", "user", "password", "host", "port") if name in named}
    with closing(psycopg2.connect(**where)) as other, other.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield


def asked(persona: Persona) -> dict[str, Any]:
    return {"audience": f"persona-{persona.pk}", "posts": 3, "messages": 0, "per_person": 2}


@pytest.fixture
def persona(db: None) -> Persona:
    return Persona.objects.create(name="Fans", is_active=True)


@pytest.mark.usefixtures("short")
def test_what_a_plan_reads_ends_and_nothing_is_kept(persona: Persona, mia: Any) -> None:
    began = time.monotonic()
    first, last = next_month(Persona.objects.get().created_at.date())
    with held("engagement_post"), pytest.raises(ReachTooSlow, match="fewer days"):
        keep_plan(ask=Ask(Audience.of_persona(persona), first, last, posts=3), name="", by=mia)
    assert time.monotonic() - began < 3
    assert not ReachPlan.objects.exists()


@pytest.mark.usefixtures("short")
def test_the_planner_says_that_it_took_too_long(persona: Persona, client: Client, mia: Any) -> None:
    client.force_login(mia)
    first, last = next_month(persona.created_at.date())
    values = {**asked(persona), "first": first.isoformat(), "last": last.isoformat()}
    with held("engagement_post"):
        tried = client.get(reverse("personas:plan-new"), values)
        kept = client.post(reverse("personas:plan-new"), values)
    for answer in (tried, kept):
        assert answer.status_code == 503
        assert "was stopped" in answer.content.decode()
    assert client.get(reverse("personas:plan-new"), values).status_code == 200


@pytest.mark.usefixtures("short")
def test_a_kept_plan_whose_outcome_takes_too_long_says_so(persona: Persona, client: Client, mia: Any) -> None:
    today = persona.created_at.date()
    plan = ReachPlan.objects.create(name="P", persona=persona, first_day=today, last_day=today, posts=1)
    client.force_login(mia)
    with held("engagement_post"):
        assert client.get(reverse("personas:plan", args=[plan.pk])).status_code == 503


@pytest.mark.usefixtures("short")
def test_the_api_refuses_a_plan_that_takes_too_long(persona: Persona, mia: Any, ada: Any) -> None:
    caller = Caller(mia, maker=ada)
    first, last = next_month(persona.created_at.date())
    plan = {"persona": persona.pk, "first_day": first.isoformat(), "last_day": last.isoformat(), "posts": 3}
    with held("engagement_post"):
        answer = caller.post("reach-plans/", plan)
    assert answer.status_code == 400, answer.json()
    assert [one["code"] for one in answer.json()["errors"]] == ["too_slow"]
    assert not ReachPlan.objects.exists()


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("name", ["personas:spend", "personas:spend-customers"])
def test_what_advertising_brought_ends_and_says_so(name: str, client: Client, vic: Any) -> None:
    client.force_login(vic)
    with held("crm_order"):
        answer = client.get(reverse(name))
    assert answer.status_code == 503
    assert "was stopped" in answer.content.decode()
    assert client.get(reverse(name)).status_code == 200


def test_all_statements_together_have_so_long(monkeypatch: pytest.MonkeyPatch, mia: Any) -> None:
    monkeypatch.setattr(bounding, "SECONDS", 0.5)
    with pytest.raises(ReachTooSlow), bounded(mia):
        for _turn in range(10):
            sleep(0.15)


def sleep(seconds: float) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s)", [seconds])


def test_what_comes_after_has_all_its_time(mia: User) -> None:
    with bounded(mia):
        sleep(0.01)
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("0",)
    assert under_way(str(mia.pk)) == 0


def test_one_person_plans_so_much_at_once(monkeypatch: pytest.MonkeyPatch, mia: Any) -> None:
    monkeypatch.setattr(bounding, "MOST_AT_ONCE", 0)
    monkeypatch.setattr("personas.quick_counts.MOST_AT_ONCE", 0)
    with pytest.raises(ReachTooSlow, match="under way"), bounded(mia):
        sleep(0)
