"""How networks are called and drawn. Connectors register theirs; nobody compares network names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Network:
    """One network: its label, its icon (a Tabler icon without `ti-`), and the hue that data-net gives it.

    `kind` tells how people speak there: message, comment, mail, call, review, shop or other.
    """

    name: str
    label: str
    icon: str
    hue: str
    kind: str = "other"


NEUTRAL_ICON = "message-2"
_registry: dict[str, Network] = {}


def register(name: str, label: str, icon: str, hue: str = "", kind: str = "other") -> Network:
    """Make a network known; registering the same name again replaces it."""
    network = Network(name=name, label=label, icon=icon, hue=hue or name, kind=kind)
    _registry[name] = network
    return network


def get(name: str) -> Network:
    """The network of this name, or a neutral one, so that data of a removed connector can still be shown."""
    known = _registry.get(name)
    if known is not None:
        return known
    return Network(
        name=name, label=name.replace("_", " ").capitalize() or "Unknown", icon=NEUTRAL_ICON, hue=""
    )


def known() -> Iterable[Network]:
    """All registered networks, by label."""
    return sorted(_registry.values(), key=lambda network: network.label)
