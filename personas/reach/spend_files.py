"""Files of what advertising cost: columns, rows, and taking an import back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from django.utils.translation import gettext as _

from accounts.models import User
from core.files import Row
from core.import_stores import take_by
from core.imports import NEW, Importer, Page, PageResult, Stored, Taken, register
from core.mapping import Target
from core.models import ImportedRow, ImportRun, Workspace
from personas.models import AdSpend
from personas.reach.spend import FILE, SpendIn, SpendOutcome, write_spend

KIND = "import_ad_spend"
REQUIRED = ("network", "day", "amount")
PAGE = 1000
RESTORED = ("amount", "currency", "base_amount")
WORDS = {
    "network": "network|platform|channel|source|publisher platform|publisher|netzwerk|kanal",
    "campaign": "campaign|campaign name|ad campaign|kampagne|campagne",
    "day": "day|date|reporting starts|tag|datum|jour",
    "amount": "amount|cost|spend|amount spent|total spent|costs|kosten|ausgaben|betrag|coût",
    "currency": "currency|currency code|account currency|währung|devise",
}


def register_spend_files() -> None:
    """Make the kind of file known."""
    register(
        Importer(KIND, "Ad spend", REQUIRED, page=PAGE, targets=targets, take=take_page, undo=undo_spend)
    )


def targets() -> list[Target]:
    """What the columns of such a file may hold."""
    group = _("Ad spend")
    labels = {
        "network": _("Network"),
        "campaign": _("Campaign"),
        "day": _("Day"),
        "amount": _("What it cost"),
        "currency": _("Currency; the workspace's where there is none"),
    }
    return [
        Target(name, label, group, tuple(WORDS[name].split("|")), required=name in REQUIRED)
        for name, label in labels.items()
    ]


def key_of(values: Mapping[str, Any]) -> tuple[str, ...]:
    """What makes a row unique within its file."""
    names = ("network", "campaign", "day")
    return tuple(str(values.get(name, "") or "").strip().casefold() for name in names)


def take_page(page: Page) -> list[Taken]:
    """One page of a file, as told by whoever uploaded it."""

    def store(rows: Sequence[Row], options: dict[str, Any]) -> PageResult:
        return store_rows(rows, by=page.run.created_by)

    return take_by(store, required=REQUIRED, key_of=key_of)(page)


def store_rows(rows: Sequence[Row], *, by: User | None) -> PageResult:
    """Store a page of rows."""
    result = PageResult()
    currency = Workspace.current().currency
    good: list[tuple[Row, SpendIn]] = []
    for row in rows:
        try:
            good.append((row, spend_of(row.values, currency)))
        except ValueError as error:
            result.rejected.append((row.number, str(error)))
    known = _known([spend for _row, spend in good])
    answer = write_spend([spend for _row, spend in good], source=FILE, by=by)
    for position, (row, spend) in enumerate(good):
        if answer.outcomes[position] == SpendOutcome.REJECTED:
            result.rejected.append((row.number, answer.reasons[position]))
            continue
        key = (spend.network.lower(), spend.campaign, spend.day)
        before = known.get(key)
        changes = _changes(before, spend) if answer.outcomes[position] == SpendOutcome.CHANGED else []
        outcome = answer.outcomes[position].value
        result.note(row.number, Stored(outcome, answer.ids.get(key), _kept(before), changes))
    return result


def _known(rows: Sequence[SpendIn]) -> dict[tuple[str, str, date], AdSpend]:
    found = AdSpend.objects.filter(day__in={row.day for row in rows})
    return {(one.network, one.campaign, one.day): one for one in found}


def _kept(before: AdSpend | None) -> dict[str, Any]:
    if before is None:
        return {}
    values = {name: getattr(before, name) for name in RESTORED}
    return {"spend": {name: None if value is None else str(value) for name, value in values.items()}}


def _changes(before: AdSpend | None, spend: SpendIn) -> list[list[str]]:
    if before is None:
        return []
    pairs = [
        ("amount", str(before.amount), str(spend.amount)),
        ("currency", before.currency, spend.currency),
    ]
    return [[name, old, new] for name, old, new in pairs if old != new]


def spend_of(values: Mapping[str, Any], currency: str) -> SpendIn:
    """What one line of a file says. Raises ValueError with the reason."""
    text = str(values["amount"]).strip().replace(" ", "").replace("\u00a0", "")
    try:
        amount = Decimal(text)
    except InvalidOperation as error:
        raise ValueError(f"amount {text[:20]!r} is not an amount; write it like 12.50") from error
    return SpendIn(
        network=str(values["network"]).strip().lower(),
        day=_day(str(values["day"]).strip()),
        amount=amount,
        currency=str(values.get("currency") or currency).strip().upper(),
        campaign=" ".join(str(values.get("campaign") or "").split()),
    )


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text[:10])
    except ValueError as error:
        raise ValueError(f"day {text[:20]!r} is not a day; write it like 2026-03-31") from error


def undo_spend(run: ImportRun, rows: Sequence[ImportedRow]) -> Mapping[int, str]:
    """New rows go, changed ones get back what stood there; one that was changed again stays."""
    ids = [row.object_id for row in rows if row.object_id]
    found = {one.pk: one for one in AdSpend.objects.select_for_update().filter(pk__in=ids).order_by("pk")}
    ended = run.finished_at
    stay = {
        row.pk: "changed since"
        for row in rows
        if ended is not None and (one := found.get(row.object_id or 0)) is not None and one.at > ended
    }
    back = [row for row in rows if row.pk not in stay and row.object_id in found]
    AdSpend.objects.filter(pk__in=[row.object_id for row in back if row.outcome == NEW]).delete()
    changed = [_restored(found[row.object_id or 0], row) for row in back if row.outcome != NEW]
    AdSpend.objects.bulk_update(changed, RESTORED)
    return stay


def _restored(spend: AdSpend, row: ImportedRow) -> AdSpend:
    before = (row.before or {}).get("spend", {})
    for name in RESTORED:
        value = before.get(name)
        setattr(spend, name, value if name == "currency" or value is None else Decimal(value))
    return spend
