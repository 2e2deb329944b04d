"""The example of the documentation runs as it stands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from core.models import Workspace
from crm.models import Customer, Order
from engagement.models import Interaction
from tests.api import Caller

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "push_and_read.py"
SCOPES = (
    "channel.manage", "conversation.read", "customer.read", "event.read", "interaction.write", "order.write",
)  # fmt: skip

pytestmark = pytest.mark.django_db(transaction=True)


def run(url: str, key: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "RAPPORT_URL": url, "RAPPORT_KEY": key, "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(
        [sys.executable, str(EXAMPLE)], env=env, capture_output=True, text=True, timeout=60, check=False
    )


def test_the_example_runs_and_a_second_time_everything_is_repeated(ada: Any, live_server: Any) -> None:
    key = Caller(ada, SCOPES).token
    first = run(live_server.url, key)
    assert first.returncode == 0, first.stderr
    assert "interaction example-1: stored" in first.stdout
    assert "conversation.changed" in first.stdout and "orders.stored" in first.stdout
    assert "Eva Lind, 1 order(s)" in first.stdout
    assert first.stdout.rstrip().endswith("inbound: Where is my kettle?")
    second = run(live_server.url, key)
    assert second.stdout.count(": repeated") == 3 and "stored" not in second.stdout
    assert (Customer.objects.count(), Order.objects.count(), Interaction.objects.count()) == (1, 1, 2)


def test_the_example_says_why_it_was_refused(ada: Any, live_server: Any) -> None:
    wrong = run(live_server.url, "rk_no_key")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert wrong.stderr == "401: No API key like this one.\n"
    Workspace.objects.filter(pk=Workspace.current().pk).update(demo_since=timezone.now())
    demo = run(live_server.url, Caller(ada, SCOPES).token)
    assert demo.returncode == 1 and "Remove the demo first" in demo.stderr
