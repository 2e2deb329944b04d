"""GET /healthz says whether everything answers."""

from __future__ import annotations

import pytest
import redis
from django.conf import settings

from core import health

pytestmark = pytest.mark.django_db


@pytest.fixture
def no_worker():
    redis.Redis.from_url(settings.REDIS_URL).delete(health.WORKER_KEY)


def test_all_parts_up_is_200(anonymous):
    health.note_worker()

    answer = anonymous.get("/healthz")

    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "web": "ok", "database": "ok", "redis": "ok", "worker": "ok"}


def test_without_a_worker_is_503_and_says_so(anonymous, no_worker):
    answer = anonymous.get("/healthz")

    assert answer.status_code == 503
    assert answer.json()["worker"] == "no worker has reported"


def test_without_redis_is_503_and_the_database_still_answers(anonymous, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    answer = anonymous.get("/healthz")

    assert answer.status_code == 503
    assert answer.json()["redis"] == "does not answer"
    assert answer.json()["database"] == "ok"


def test_only_reading_is_allowed(anonymous):
    assert anonymous.post("/healthz").status_code == 405
