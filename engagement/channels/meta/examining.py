"""One line of a self-test on Meta's networks."""

from __future__ import annotations

from collections.abc import Callable

from django.utils.translation import gettext as _

from engagement.channels.failures import SendFailed
from engagement.channels.meta.client import Graph
from engagement.channels.shapes import Finding

Attempt = Callable[[Graph], object]


def tried(name: str, scope: str, attempt: Attempt, graph: Graph) -> Finding:
    """What came of one attempt."""
    try:
        attempt(graph)
    except SendFailed as failure:
        remedy = failure.advice or again()
        return Finding(name, works=False, text=str(failure), remedy=remedy, scope=scope)
    return Finding(name, works=True, scope=scope)


def again() -> str:
    """What helps against a permission that is missing."""
    return _("Connect the account again and leave every permission ticked.")
