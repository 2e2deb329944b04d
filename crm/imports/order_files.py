"""Files of orders whose columns are matched: what a column may hold, and taking an import back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from core import sql
from core.imports import NEW
from core.mapping import Target
from core.models import ImportedRow, ImportRun, Workspace
from crm.imports.orders import REQUIRED, RESTORED
from crm.models import Order, OrderLine

WORDS = {
    "order_id": "order id|order|order number|id|bestellnummer|name",
    "customer_id": "customer id|customer|email|e mail|customer email|kundennummer|kunde",
    "placed_at": "placed at|date|order date|created at|created|datum|bestelldatum|paid at",
    "total": "total|amount|sum|order total|gesamt|betrag|summe",
    "currency": "currency|währung|devise",
    "customer_name": "customer name|name|billing name",
    "units": "units|quantity|pieces|menge|anzahl",
    "discount": "discount|discount amount|rabatt",
    "refunded": "refunded|refunded amount",
    "status": "status|financial status",
}


def targets() -> list[Target]:
    """What the columns of a file of orders may hold."""
    group = _("Order")
    labels = {
        "order_id": _("Order's id"),
        "customer_id": _("Buyer's id or address"),
        "placed_at": _("When it was placed"),
        "total": _("Total paid"),
        "currency": _("Currency"),
        "network": _("What the buyer's id is: shop, email, phone"),
        "issuer": _("Who gave the buyer's id"),
        "customer_name": _("Buyer's name"),
        "number": _("Number people read"),
        "status": _("Status"),
        "units": _("Pieces"),
        "discount": _("Discount"),
        "refunded": _("Refunded"),
        "language": _("Buyer's language"),
        "country": _("Buyer's country"),
        "city": _("Buyer's city"),
        "birth_year": _("Buyer's year of birth"),
        "lines": _("Lines, as a list"),
    }
    return [
        Target(name, label, group, tuple(WORDS.get(name, "").split("|")), required=name in REQUIRED)
        for name, label in labels.items()
    ]


def key_of(values: Mapping[str, Any]) -> tuple[str, ...]:
    """What makes an order unique within its file."""
    return (str(values.get("order_id", "")).strip(),)


def undo_orders(run: ImportRun, rows: Sequence[ImportedRow]) -> Mapping[int, str]:
    """New orders go, changed ones get back what stood there; one that was changed again stays.

    Buyers who came with the orders stay: they may have written since, and an empty record harms nobody.
    """
    found = {
        one.pk: one
        for one in Order.objects.select_for_update()
        .filter(pk__in=[row.object_id for row in rows if row.object_id])
        .order_by("pk")
    }
    stay = {
        row.pk: "changed since" for row in rows if _changed_since(run, row, found.get(row.object_id or 0))
    }
    stay |= {row.pk: "what was kept of this row was erased" for row in rows if row.before is None}
    back = [row for row in rows if row.pk not in stay and row.object_id in found]
    _touch([row.object_id for row in back if row.object_id])
    gone = [row.object_id for row in back if row.object_id and row.outcome == NEW]
    OrderLine.objects.filter(order__in=gone).delete()
    Order.objects.filter(pk__in=gone).delete()
    changed = [_restored(found[row.object_id or 0], row) for row in back if row.outcome != NEW]
    Order.objects.bulk_update(changed, RESTORED)
    return stay


def _changed_since(run: ImportRun, row: ImportedRow, order: Order | None) -> bool:
    """Written again after the import had ended, or by nobody of this source."""
    ended = run.finished_at
    return order is not None and ended is not None and order.updated_at > ended


def _restored(order: Order, row: ImportedRow) -> Order:
    before = (row.before or {}).get("order", {})
    for name in RESTORED:
        setattr(order, name, _value(name, before.get(name)))
    return order


def _value(name: str, text: str | None) -> Any:
    if text is None or name in ("number", "status", "currency"):
        return text
    if name == "placed_at":
        return parse_datetime(text)
    return int(text) if name == "units" else Decimal(text)


def _touch(ids: Sequence[int]) -> None:
    """Their buyers are computed again, and the revenue of their days."""
    sql.run("crm", "touch_buyers", {"ids": list(ids), "zone": Workspace.current().zone})
