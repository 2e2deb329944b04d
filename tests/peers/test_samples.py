"""The sample data of RAPPORT_SAMPLES comes in whole, again without a change, and in any order."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.core.management import call_command

from crm.models import Customer, Order
from engagement.models import ChannelAccount, Conversation, Interaction, Thread
from tests.live_rapport import process_env

pytestmark = pytest.mark.peer
BASE_DIR = Path(__file__).resolve().parents[2]


@pytest.fixture
def samples() -> Path:
    """Return the folder of sample data; without one the test fails, for it has shown nothing."""
    folder = os.environ.get("RAPPORT_SAMPLES", "")
    if not folder or not (Path(folder) / "data").is_dir():
        pytest.fail("set RAPPORT_SAMPLES to a folder that holds data/: these tests are about that data")
    return Path(folder) / "data"


def counts() -> dict[str, int]:
    began = Conversation.objects.exclude(customer=None)
    return {
        "interactions": Interaction.objects.count(),
        "customers": Customer.objects.count(),
        "customers who began a conversation": began.values("customer").distinct().count(),
        "channel accounts": ChannelAccount.objects.filter(connector="api").count(),
        "conversations": Conversation.objects.count(),
    }


CARE = {
    "interactions": 638,
    "customers": 512,
    "customers who began a conversation": 499,
    "channel accounts": 25,
    "conversations": 500,
}


def owners() -> dict[tuple[str, str], str]:
    """Whose the conversation of each thread is."""
    rows = Thread.objects.values_list(
        "account__external_id", "thread_key", "conversation__identity__external_id"
    )
    return {(account, key): owner for account, key, owner in rows}


def empty_everything() -> None:
    from core import privacy

    tables = ", ".join(f'"{table}"' for table in privacy.customer_data_tables())
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"TRUNCATE {tables} CASCADE")


@pytest.mark.django_db
def test_care_interactions_are_counted_once(samples: Path) -> None:
    file = str(samples / "care-interactions.jsonl")
    call_command("import_interactions", file)
    assert counts() == CARE
    assert not Interaction.objects.filter(direction="outbound").exclude(customer=None).exists()
    first = owners()
    assert len(first) == 500
    assert None not in first.values()

    call_command("import_interactions", file)
    assert counts() == CARE
    assert owners() == first


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(3))
def test_care_interactions_in_another_order_have_the_same_owners(
    samples: Path, tmp_path: Path, seed: int
) -> None:
    lines = (samples / "care-interactions.jsonl").read_bytes().splitlines(keepends=True)
    call_command("import_interactions", str(samples / "care-interactions.jsonl"))
    first = owners()
    empty_everything()
    assert Interaction.objects.count() == 0

    random.Random(seed).shuffle(lines)
    shuffled = tmp_path / "shuffled.jsonl"
    shuffled.write_bytes(b"".join(lines))
    call_command("import_interactions", str(shuffled))

    assert counts() == CARE
    assert owners() == first


MEASURED = """
import os, subprocess, sys
running = subprocess.Popen([sys.executable, *sys.argv[1:]], stdout=sys.stderr)
_pid, status, used = os.wait4(running.pid, 0)
print(used.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""A small process between: the size of the one that starts another counts as the other's own."""


def import_orders(file: Path) -> tuple[float, float]:
    """Import in a process of its own; its seconds and the most memory it took, in MB."""
    began = time.monotonic()
    command = [sys.executable, "-c", MEASURED, "manage.py", "import_orders", str(file)]
    done = subprocess.run(command, cwd=BASE_DIR, env=process_env(), stdout=subprocess.PIPE, check=True)
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return time.monotonic() - began, int(done.stdout) * unit / 1_000_000


def orders() -> list[tuple[object, ...]]:
    rows = Order.objects.order_by("external_id")
    return list(rows.values_list("pk", "external_id", "customer_id", "placed_at", "total", "currency"))


@pytest.mark.django_db(transaction=True)
def test_cdnow_orders_come_in_within_memory_and_a_second_time_change_nothing(samples: Path) -> None:
    seconds, megabytes = import_orders(samples / "cdnow-orders.csv")
    print(f"import_orders: {seconds:.1f} s, {megabytes:.0f} MB")
    assert Order.objects.count() == 69_659
    assert Order.objects.values("customer").distinct().count() == 23_570
    assert Customer.objects.count() == 23_570
    assert megabytes < 500
    first = orders()

    _seconds, megabytes = import_orders(samples / "cdnow-orders.csv")
    assert orders() == first
    assert Customer.objects.count() == 23_570
    assert megabytes < 500
