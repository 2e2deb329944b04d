"""Payloads of platforms kept as files, and how what a connector makes of them is written down.

`<connector>/payloads/<case>.json` (or .txt, .eml) is one body byte for byte. Beside it
`<case>.expected.json`:

- `source`: the page or file it was copied from; `date`: the day; `guess`: true where we made it up,
- `headers`: those of the request; `received_at`: where the time of arrival matters,
- `account`: network, external_id, issuer, settings of the account it is for,
- `pulled`: true for an item of a pull where the connector has one webhook address for all accounts,
- `expected`: parcels with `events`, `changes`, `posts`, `orders`, `people`, `links`, `refusals`, `asks`,
  `revoked`; of each thing only what differs from the defaults of its shape. Or `error`: a part of the reason
  why it is not understood.
"""

from __future__ import annotations

import json
from dataclasses import MISSING, dataclass, fields, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

from crm.orders import LineIn, OrderIn
from engagement import channels
from engagement.channels import shapes
from engagement.channels.base import Author, Change, Connector, Event, File, Parcel, PostRef
from engagement.models import ChannelAccount, RawEvent

HERE = Path(__file__).parent
SHAPES: dict[str, type] = {
    "events": Event, "changes": Change, "posts": PostRef, "orders": OrderIn, "people": Author,
    "refusals": shapes.Refusal, "asks": shapes.PrivacyAsk,
}  # fmt: skip
NESTED: dict[tuple[type, str], type] = {
    (Event, "author"): Author, (Event, "post"): PostRef, (Event, "files"): File,
    (Event, "visit"): shapes.VisitFacts, (OrderIn, "lines"): LineIn, (Change, "files"): File,
    (shapes.Refusal, "author"): Author, (shapes.PrivacyAsk, "people"): Author,
}  # fmt: skip
TOLD = frozenset(
    {"source", "date", "guess", "expected", "error", "headers", "account", "pulled", "received_at"}
)


@dataclass(frozen=True)
class Payload:
    """One body and what is known of it."""

    path: Path

    @property
    def connector(self) -> str:
        return self.path.parent.parent.name

    @property
    def id(self) -> str:
        return f"{self.connector}/{self.path.stem}"

    @property
    def link(self) -> Connector:
        return channels.connector(self.connector)

    @property
    def expected_path(self) -> Path:
        return self.path.with_name(f"{self.path.stem}.expected.json")

    @cached_property
    def told(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.expected_path.read_text())
        return found

    @cached_property
    def body(self) -> bytes:
        return self.path.read_bytes()

    @property
    def received_at(self) -> datetime:
        text = self.told.get("received_at") or f"{self.told.get('date', '2026-11-22')}T12:00:00Z"
        return datetime.fromisoformat(text).astimezone(UTC)

    @property
    def names_account(self) -> bool:
        """Whether the body came for one account, and does not name whose it is."""
        return self.link.hook_scope == "account" or bool(self.told.get("pulled"))

    def account(self) -> ChannelAccount | None:
        """The account it is for, not saved; None where the body itself says whose it is."""
        told = self.told.get("account")
        return new_account(self.connector, told) if told and self.names_account else None

    def raw(self, account: ChannelAccount | None) -> RawEvent:
        return RawEvent(
            account=account,
            source=f"{self.connector}:{account.pk}" if account else self.connector,
            delivery_key=self.id,
            received_at=self.received_at,
            headers={name.lower(): value for name, value in self.told.get("headers", {}).items()},
            body=self.body,
        )

    def parse(self) -> list[Parcel]:
        return list(self.link.parse(self.raw(self.account())))


def new_account(name: str, told: dict[str, Any]) -> ChannelAccount:
    """An account that is not saved, with a key as if it were."""
    return ChannelAccount(
        pk=1,
        connector=name,
        network=told.get("network") or (channels.connector(name).networks or (name,))[0],
        external_id=told["external_id"],
        name=told.get("name", told["external_id"]),
        issuer=told.get("issuer", ""),
        settings=told.get("settings", {}),
    )


def payloads() -> list[Payload]:
    """Every payload of every connector."""
    found = sorted(HERE.glob("*/payloads/*"))
    return [Payload(path) for path in found if path.is_file() and not path.name.endswith(".expected.json")]


def strays() -> list[Path]:
    """Expectations whose payload is gone."""
    known = {one.expected_path for one in payloads()}
    return [path for path in HERE.glob("*/payloads/*.expected.json") if path not in known]


# What was made of it, as JSON


def written(parcels: list[Parcel]) -> list[dict[str, Any]]:
    """Parcels as the files write them: of each thing only what differs from its defaults."""
    return [_parcel(parcel) for parcel in parcels]


def _parcel(parcel: Parcel) -> dict[str, Any]:
    found: dict[str, Any] = {
        "account": parcel.account,
        "events": [_thing(one) for one in parcel.events if isinstance(one, Event)],
        "changes": [_thing(one) for one in parcel.events if isinstance(one, Change)],
        "posts": [_thing(one) for one in parcel.posts],
        "orders": [_thing(one) for one in parcel.orders],
        "people": [_thing(one) for one in parcel.people],
        "links": [[_thing(one), _thing(other)] for one, other in parcel.links],
        "revoked": parcel.revoked,
        "named": list(parcel.named),
        "refusals": [_thing(one) for one in parcel.refusals],
        "asks": [_thing(one) for one in parcel.asks],
    }
    return {name: value for name, value in found.items() if value or name == "account"}


def _thing(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {
            one.name: _thing(getattr(value, one.name))
            for one in fields(value)
            if getattr(value, one.name) != _default(one)
        }
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Decimal):
        return format(value.normalize() + 0, "f")
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, dict) or hasattr(value, "items"):
        return {str(name): _thing(one) for name, one in value.items()}
    if isinstance(value, tuple | list | frozenset):
        return [_thing(one) for one in value]
    return str(value) if isinstance(value, str) else value


def _default(one: Any) -> Any:
    if one.default is not MISSING:
        return one.default
    return one.default_factory() if one.default_factory is not MISSING else MISSING


# What was expected, in the same form


def normal(expected: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Expected parcels as `written` writes them. Raises ValueError for a name that no shape has."""
    return [_normal_parcel(parcel) for parcel in expected]


def _normal_parcel(parcel: dict[str, Any]) -> dict[str, Any]:
    unknown = parcel.keys() - {*SHAPES, "account", "links", "revoked", "named"}
    if unknown:
        raise ValueError(f"a parcel has no {', '.join(sorted(unknown))}")
    found: dict[str, Any] = {"account": parcel.get("account", "")}
    for name, shape in SHAPES.items():
        found[name] = [_normal(shape, one) for one in parcel.get(name, [])]
    found["links"] = [[_normal(Author, one) for one in pair] for pair in parcel.get("links", [])]
    found["revoked"] = parcel.get("revoked", "")
    found["named"] = list(parcel.get("named", []))
    return {name: value for name, value in found.items() if value or name == "account"}


def _normal(shape: type, told: dict[str, Any]) -> dict[str, Any]:
    known = {one.name: one for one in fields(shape)}
    unknown = told.keys() - known.keys()
    if unknown:
        raise ValueError(f"{shape.__name__} has no {', '.join(sorted(unknown))}")
    found = {name: _normal_value(shape, name, str(known[name].type), value) for name, value in told.items()}
    return {name: value for name, value in found.items() if value != _thing(_default(known[name]))}


def _normal_value(shape: type, name: str, kind: str, value: Any) -> Any:
    nested = NESTED.get((shape, name))
    if nested and isinstance(value, list):
        return [_normal(nested, one) for one in value]
    if nested and value is not None:
        return _normal(nested, value)
    if (shape, name) == (Event, "participants"):
        return [[role, _normal(Author, author)] for role, author in value]
    if "datetime" in kind and value:
        return _thing(datetime.fromisoformat(value))
    return _thing(Decimal(str(value))) if "Decimal" in kind else value
