"""Orders from a file."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from core.files import Row
from core.imports import PageResult, Stored
from core.text import parse_when
from crm.models import Order
from crm.orders import LineIn, OrderIn, OrderOutcome, store_orders

KIND = "import_orders"
RESTORED = (
    "number", "status", "placed_at", "units", "total", "discount", "refunded", "currency", "base_total",
)  # fmt: skip
REQUIRED = ("order_id", "customer_id", "placed_at", "total", "currency")


class BadRow(ValueError):
    """A row that is no order, with the reason."""


def store_rows(rows: Sequence[Row], options: dict[str, Any]) -> PageResult:
    """Store one page of rows as orders of `options["source"]`."""
    result = PageResult()
    good: list[tuple[Row, OrderIn]] = []
    for row in rows:
        try:
            good.append((row, order_of(row.values)))
        except BadRow as error:
            result.rejected.append((row.number, str(error)))
    source = options.get("source", "import")
    names = [order.external_id for _, order in good if "\x00" not in order.external_id]
    known = _known(source, names)
    answer = store_orders(source, [order for _, order in good], live=False)
    ids = Order.objects.ids_of(source, names)
    for position, outcome in enumerate(answer.outcomes):
        row, order = good[position]
        if outcome == OrderOutcome.REJECTED:
            result.rejected.append((row.number, answer.reasons[position]))
        else:
            one = Stored(
                outcome, ids.get(order.external_id), *_differences(known.get(order.external_id), order)
            )
            result.note(row.number, one)
    return result


def _known(source: str, external_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """How the orders of a page stand here before it comes in."""
    found = Order.objects.filter(source=source, external_id__in=external_ids)
    return {one["external_id"]: one for one in found.values("external_id", *RESTORED)}


def _differences(known: dict[str, Any] | None, order: OrderIn) -> tuple[dict[str, Any], list[list[str]]]:
    """What undoing needs, and what is shown: {field: text before}, [what, before, after]."""
    if known is None:
        return {}, []
    before = {name: str(value) for name, value in known.items() if name in RESTORED and value is not None}
    shown = [
        [name, str(known[name]), str(getattr(order, name))]
        for name in ("status", "total", "discount", "refunded", "currency")
        if str(known[name]) != str(getattr(order, name)) and known[name] != getattr(order, name)
    ]
    return {"order": before}, shown


def order_of(values: dict[str, Any]) -> OrderIn:
    """The order that one line of a file, or one item of the API, describes. Raises BadRow."""
    try:
        placed_at = parse_when(str(values["placed_at"]))
    except ValueError as error:
        raise BadRow(f"placed_at: {error}") from error
    return OrderIn(
        external_id=str(values["order_id"]).strip(),
        customer_id=str(values["customer_id"]),
        placed_at=placed_at,
        total=_amount(values, "total"),
        currency=str(values["currency"]).strip(),
        network=str(values.get("network") or "shop").strip().lower(),
        issuer=values.get("issuer"),
        customer_name=str(values.get("customer_name") or ""),
        number=str(values.get("number") or ""),
        status=str(values.get("status") or "paid").strip().lower(),
        units=_units(values.get("units") or 0),
        discount=_amount(values, "discount"),
        refunded=_amount(values, "refunded"),
        lines=tuple(_line(line) for line in _lines(values.get("lines"))),
        facts={
            name: values[name] for name in ("language", "country", "city", "birth_year") if values.get(name)
        },
    )


def _lines(value: Any) -> list[Any]:
    if value in (None, ""):
        return []
    if not isinstance(value, list):
        raise BadRow("lines must be a list")
    return value


def _line(value: Any) -> LineIn:
    if not isinstance(value, dict) or not value.get("title"):
        raise BadRow("each line needs a title")
    return LineIn(
        title=str(value["title"]),
        sku=str(value.get("sku") or ""),
        category=str(value.get("category") or ""),
        units=_units(value.get("units", 1)),
        price=_amount(value, "price"),
    )


def _amount(values: dict[str, Any], name: str) -> Decimal:
    value = values.get(name)
    if value in (None, ""):
        return Decimal(0)
    try:
        return Decimal(str(value).strip())
    except InvalidOperation as error:
        raise BadRow(f"{name} {str(value)[:20]!r} is not an amount; write it like 12.50") from error


def _units(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError) as error:
        raise BadRow(f"units {str(value)[:20]!r} is not a whole number") from error
