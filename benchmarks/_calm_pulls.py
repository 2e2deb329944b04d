"""Pulls every account of the far platform and takes in its webhooks, in one process and undisturbed.

`python -m benchmarks._calm_pulls FILE`: the file names accounts and webhook bodies as JSON.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    """Do it in the database of the environment."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    given = json.loads(Path(sys.argv[1]).read_text())
    take_all(given["accounts"], given["hooks"])


def take_all(accounts: dict[str, str], bodies: dict[str, list[dict[str, Any]]]) -> None:
    """Take in everything; accounts are connectors by name, bodies belong to the last of them."""
    from benchmarks._far import new_account
    from engagement import hooks, pulls, raw_events
    from engagement.channels import connector
    from engagement.channels.base import Hook

    account = None
    for name, connector_name in accounts.items():
        account = new_account(connector_name, name)
        while pulls.pull_account(account.pk).more:
            pass
    for key, events in bodies.items():
        assert account is not None
        body = json.dumps(events).encode()
        hook = Hook("POST", "", {"x-delivery": key}, {}, body)
        hooks.keep(connector(account.connector), hook, account)
    while raw_events.sweep():
        pass


if __name__ == "__main__":
    main()
