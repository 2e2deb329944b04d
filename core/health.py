"""Whether everything that Rapport consists of answers."""

from __future__ import annotations

from collections.abc import Callable

import redis
import structlog
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from core import quick_redis

logger = structlog.get_logger(__name__)

WORKER_KEY = "rapport:worker"
WORKER_SECONDS = 45
OK = "ok"


def note_worker() -> None:
    """Leave the sign that a worker works; the sign goes away by itself when none does."""
    quick_redis.connect().set(WORKER_KEY, 1, ex=WORKER_SECONDS)


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return OK


def _broker() -> str:
    quick_redis.connect().ping()
    return OK


def worker_state() -> str:
    """Return "ok" when a worker has shown itself lately."""
    return OK if quick_redis.connect().exists(WORKER_KEY) else "no worker has reported"


CHECKS: dict[str, Callable[[], str]] = {"database": _database, "redis": _broker, "worker": worker_state}


def _answer(name: str) -> str:
    try:
        return CHECKS[name]()
    except (DatabaseError, redis.RedisError, OSError) as error:
        logger.warning("health_check_failed", part=name, error=str(error))
        return "does not answer"


@never_cache
@require_GET
def healthz(request: HttpRequest) -> JsonResponse:
    """Answer 200 once web, database, Redis and a worker are up; else 503, saying which part is missing."""
    parts = {"web": OK, **{name: _answer(name) for name in CHECKS}}
    healthy = all(state == OK for state in parts.values())
    return JsonResponse({"status": OK if healthy else "down", **parts}, status=200 if healthy else 503)
