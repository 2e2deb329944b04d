"""Workers and beat."""

import os
from typing import Any

from celery import Celery
from celery.signals import worker_init, worker_process_init, worker_ready

from config.naming import name_connections

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
app = Celery("rapport")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_init.connect
@worker_process_init.connect
def name_worker(**kwargs: Any) -> None:
    """Let the connections of this worker, or of its child, say whose they are."""
    name_connections("worker")


@worker_ready.connect
def report_worker(**kwargs: Any) -> None:
    """Tell the health check at once, before beat has sent the first heartbeat."""
    from core.health import note_worker

    note_worker()
